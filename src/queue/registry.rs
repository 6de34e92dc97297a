//! Handlers of jobs by kind, typed: a handler gets the arguments of its kind, and here is the one place that reads
//! them.
//! Not here: claiming jobs and completing them (`worker`).

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::JobKind;
use super::claim::Job;
use crate::db::{self, DbError, Tx};

/// Result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The job succeeded.
    Done,
    /// The attempt failed; a later one may succeed.
    Retry(String),
    /// The attempt failed for a reason outside the job. A later one may succeed, and the attempt is not counted.
    Later(String),
    /// No attempt can succeed.
    GiveUp(String),
}

impl Outcome {
    /// Outcome for an error of the database. With a transient one the attempt is not counted.
    pub fn of(error: &DbError) -> Self {
        match db::is_transient(error) {
            true => Self::Later(error.to_string()),
            false => Self::Retry(error.to_string()),
        }
    }

    /// Outcome of a job that stops between two chunks because the process stops. Another worker continues it.
    pub fn handed_back() -> Self {
        Self::Later("the process stops".to_owned())
    }

    /// Outcome of a job about data that only a later release can read. A process of that release does the job.
    pub fn newer() -> Self {
        Self::Later("left to a process of a later release".to_owned())
    }
}

/// Function that writes the effects of jobs in the transaction that completes them. It is given the ids that are still
/// held. It may be called again with fewer, if the effects of one cannot be written.
pub type Effects = Arc<dyn Fn(Tx, Vec<i64>) -> BoxFuture<'static, Result<(), DbError>> + Send + Sync>;

/// Result of a handler for a batch of jobs.
pub struct Handled {
    /// Outcome of each job, by id. A job without an outcome is retried.
    pub outcomes: HashMap<i64, Outcome>,
    /// Effects to write with the jobs that are done.
    pub effects: Option<Effects>,
}

impl Handled {
    /// Returns the same outcome for every job.
    pub fn all<'a>(jobs: impl IntoIterator<Item = &'a Job>, outcome: &Outcome) -> Self {
        Self { outcomes: jobs.into_iter().map(|job| (job.id, outcome.clone())).collect(), effects: None }
    }
}

/// Handler of a kind of which each job runs and completes on its own.
pub trait Run: Send + Sync + 'static {
    /// Kind of the jobs.
    type Kind: JobKind;

    /// Works on a job, outside any transaction.
    fn run(&self, args: Self::Kind, job: Job) -> impl Future<Output = Outcome> + Send;
}

/// Handler of a kind of which many quick jobs run together and complete in one commit.
pub trait RunBatch: Send + Sync + 'static {
    /// Kind of the jobs.
    type Kind: JobKind;

    /// The most jobs of a batch.
    const SIZE: i64 = 100;

    /// Works on a batch, outside any transaction. A batch that panics runs again, a job at a time.
    fn run_batch(&self, jobs: Vec<(Self::Kind, Job)>) -> impl Future<Output = Handled> + Send;
}

/// Number of jobs that a handler takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Each job on its own.
    Single,
    /// Up to this many together.
    Batch(i64),
}

type RunAll = Arc<dyn Fn(Vec<Job>) -> BoxFuture<'static, Handled> + Send + Sync>;

/// Handler of a kind without its type.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) kind: &'static str,
    pub(super) is_long: bool,
    pub(super) mode: Mode,
    run: RunAll,
}

impl Handler {
    /// Runs jobs. A panic costs the job that panics an attempt, and no other job.
    pub(super) async fn run(&self, jobs: &[Job]) -> Handled {
        let attempt = |jobs: Vec<Job>| AssertUnwindSafe((self.run)(jobs)).catch_unwind();
        if let Ok(handled) = attempt(jobs.to_vec()).await {
            return handled;
        }
        let panicked = Outcome::Retry("panic".to_owned());
        if jobs.len() == 1 {
            return Handled::all(jobs, &panicked);
        }
        let (mut outcomes, mut effects) = (HashMap::new(), HashMap::new());
        for job in jobs {
            let handled = attempt(vec![job.clone()]).await.unwrap_or_else(|_| Handled::all([job], &panicked));
            outcomes.extend(handled.outcomes);
            effects.extend(handled.effects.map(|one| (job.id, one)));
        }
        Handled { outcomes, effects: Some(one_by_one(effects)) }
    }
}

fn one_by_one(effects: HashMap<i64, Effects>) -> Effects {
    Arc::new(move |tx, ours| {
        let own: Vec<_> = ours.into_iter().filter_map(|id| Some((id, effects.get(&id)?.clone()))).collect();
        Box::pin(async move {
            for (id, effects) in own {
                effects(tx.clone(), vec![id]).await?;
            }
            Ok(())
        })
    })
}

/// Handlers of this release by kind.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: BTreeMap<&'static str, Handler>,
}

/// Reason why handlers cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A kind would be handled by one of two handlers.
    #[error("two handlers are registered for jobs of kind {0:?}")]
    Duplicate(&'static str),
    /// Jobs of a kind would wait for ever.
    #[error("jobs of kind {0:?} are enqueued, but no handler is registered for them")]
    Missing(&'static str),
}

impl Registry {
    /// Adds the handler of a kind of which each job runs on its own.
    pub fn single<R: Run>(self, handler: R) -> Result<Self, RegistryError> {
        let handler = Arc::new(handler);
        let run: RunAll = Arc::new(move |jobs| {
            let handler = handler.clone();
            Box::pin(async move {
                let mut outcomes = HashMap::new();
                for job in jobs {
                    let id = job.id;
                    let outcome = match read::<R::Kind>(&job) {
                        Ok(args) => handler.run(args, job).await,
                        Err(unreadable) => unreadable,
                    };
                    outcomes.insert(id, outcome);
                }
                Handled { outcomes, effects: None }
            })
        });
        self.add::<R::Kind>(Mode::Single, run)
    }

    /// Adds the handler of a kind of which the jobs run in batches.
    pub fn batch<R: RunBatch>(self, handler: R) -> Result<Self, RegistryError> {
        let handler = Arc::new(handler);
        let run: RunAll = Arc::new(move |jobs| {
            let handler = handler.clone();
            Box::pin(async move {
                let (mut readable, mut unreadable) = (Vec::new(), HashMap::new());
                for job in jobs {
                    match read::<R::Kind>(&job) {
                        Ok(args) => readable.push((args, job)),
                        Err(outcome) => drop(unreadable.insert(job.id, outcome)),
                    }
                }
                let mut handled = match readable.is_empty() {
                    true => Handled { outcomes: HashMap::new(), effects: None },
                    false => handler.run_batch(readable).await,
                };
                handled.outcomes.extend(unreadable);
                handled
            })
        });
        self.add::<R::Kind>(Mode::Batch(R::SIZE), run)
    }

    fn add<K: JobKind>(mut self, mode: Mode, run: RunAll) -> Result<Self, RegistryError> {
        let handler = Handler { kind: K::KIND, is_long: K::IS_LONG, mode, run };
        match self.handlers.insert(K::KIND, handler) {
            None => Ok(self),
            Some(_) => Err(RegistryError::Duplicate(K::KIND)),
        }
    }

    /// Checks that jobs of these kinds have a handler.
    pub fn with_all_of(self, enqueued: &[&'static str]) -> Result<Self, RegistryError> {
        match enqueued.iter().find(|kind| !self.handlers.contains_key(*kind)) {
            None => Ok(self),
            Some(kind) => Err(RegistryError::Missing(kind)),
        }
    }

    /// Returns the kinds with a handler, sorted.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.handlers.keys().copied().collect()
    }

    pub(super) fn handler(&self, kind: &str) -> Option<&Handler> {
        self.handlers.get(kind)
    }
}

/// Reads the arguments of a job. Arguments that cannot be read never can be, so the job ends.
fn read<K: JobKind>(job: &Job) -> Result<K, Outcome> {
    serde_json::from_str(&job.args)
        .map_err(|error| Outcome::GiveUp(format!("the arguments of the job cannot be read: {error}")))
}
