//! Worker: claims due jobs, passes them to the handlers, and completes them under the fencing token.
//! Not here: the handlers; `app` registers them.
//!
//! This is the notification task of the process: it receives domain events from the broadcast bus as wake-ups, and
//! polls every half second as well.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Queue;
use super::claim::{self, Failed, Job, Kinds, Token, Wanted};
use crate::bus::Bus;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};

/// Number of groups of quick jobs that a process works on at the same time.
const QUICK: usize = 5;

/// Number of groups of long jobs besides, so that long jobs never take the permits of quick ones.
const LONG: usize = 2;

/// Most jobs taken by one claim; one commit covers all of them.
const CLAIM_MAX: i64 = 100;

/// Time for which a claim holds without renewal.
pub const LEASE: Duration = Duration::from_secs(30);

/// Poll interval used when no wake-up arrives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The job succeeded.
    Done,
    /// The attempt failed; a later one may succeed.
    Retry(String),
    /// The attempt failed for a reason outside the job. A later one may succeed, and no attempt is charged.
    Later(String),
    /// No attempt can succeed.
    GiveUp(String),
}

impl Outcome {
    /// Outcome for an error in a job that works in chunks. A transient error never charges an attempt.
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
/// held.
pub type Effects = Arc<dyn Fn(Tx, Vec<i64>) -> BoxFuture<'static, Result<(), DbError>> + Send + Sync>;

/// Result of a handler for a group of jobs.
pub struct Handled {
    /// Outcome of each job, by id. A job without an outcome is retried.
    pub outcomes: HashMap<i64, Outcome>,
    /// Effects to write with the jobs that are done.
    pub effects: Option<Effects>,
}

impl Handled {
    /// Returns the same outcome for every job.
    pub fn all(jobs: &[Job], outcome: Outcome) -> Self {
        Self { outcomes: jobs.iter().map(|job| (job.id, outcome.clone())).collect(), effects: None }
    }
}

/// Function that works on a group of jobs of one kind, outside any transaction.
pub type Handler = Arc<dyn Fn(Vec<Job>, Token) -> BoxFuture<'static, Handled> + Send + Sync>;

/// Worker of this process.
#[derive(Clone)]
pub struct Worker {
    /// Context that acts as the service.
    pub ctx: Ctx,
    /// Bus that wakes the worker.
    pub bus: Bus,
    /// Handlers by job kind.
    pub handlers: Arc<HashMap<&'static str, Handler>>,
    /// Kinds of jobs that work in chunks and may take minutes.
    pub long: &'static [&'static str],
    /// Time for which a claim holds without renewal.
    pub lease: Duration,
    /// Signalled when jobs were enqueued in this process.
    pub enqueued: Arc<Notify>,
}

/// Permits for groups of jobs in progress.
struct Room {
    quick: Arc<Semaphore>,
    long: Arc<Semaphore>,
    /// Number of claims begun; each starts at another queue.
    claims: AtomicUsize,
    tasks: TaskTracker,
    /// Kinds of job this release has a handler for, sorted.
    kinds: Vec<&'static str>,
    /// Kinds among them that are quick.
    quick_kinds: Vec<&'static str>,
}

impl Room {
    fn new(worker: &Worker) -> Self {
        let mut kinds: Vec<&'static str> = worker.handlers.keys().copied().collect();
        kinds.sort_unstable(); // so that the statement text is always the same
        Self {
            quick_kinds: kinds.iter().copied().filter(|kind| !worker.long.contains(kind)).collect(),
            kinds,
            quick: Arc::new(Semaphore::new(QUICK)),
            long: Arc::new(Semaphore::new(LONG)),
            claims: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
        }
    }

    /// Waits until the tasks in progress have finished.
    async fn close(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Worker {
    /// Runs until `stop`, then finishes the jobs in progress.
    pub async fn run(self, stop: CancellationToken) {
        let room = Room::new(&self);
        let mut domain_events = self.bus.listen();
        while !stop.is_cancelled() {
            let took = match self.round(&room).await {
                Ok(took) => took,
                Err(error) => {
                    tracing::error!(%error, "the worker cannot claim jobs");
                    false
                }
            };
            if !took {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.enqueued.notified() => {}
                    () = heard(&mut domain_events) => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
        room.close().await;
    }

    /// Works until no job is due, then returns.
    pub async fn drain(&self) -> Result<(), DbError> {
        loop {
            let room = Room::new(self);
            let mut took = false;
            while self.round(&room).await? {
                took = true;
            }
            room.close().await;
            if !took {
                return Ok(());
            }
        }
    }

    /// Claims once and starts the claimed jobs. Returns true if there were any.
    async fn round(&self, room: &Room) -> Result<bool, DbError> {
        let (db, now) = (&self.ctx.db, self.ctx.now());
        let known = Kinds::These(&room.kinds);
        if claim::is_any_orphaned(db, known, now).await? {
            let rescued = claim::rescue(db, known, now).await?;
            tracing::warn!(jobs = rescued, "jobs with an expired lease were freed");
        }
        let mut long = room.long.clone().try_acquire_owned().ok();
        let wanted = Wanted {
            limit: CLAIM_MAX,
            first: room.claims.fetch_add(1, Ordering::Relaxed),
            kinds: if long.is_some() { known } else { Kinds::These(&room.quick_kinds) },
        };
        if !claim::is_any_due(db, wanted, now).await? {
            return Ok(false);
        }
        // A permit is acquired before the claim, so that jobs this process cannot start are left to other processes.
        let Ok(mut quick) = room.quick.clone().acquire_owned().await.map(Some) else { return Ok(false) };
        let token = Token(self.ctx.id());
        let jobs = claim::claim(db, wanted, self.ctx.now(), self.lease, token).await?;
        let took = !jobs.is_empty();
        let mut groups: HashMap<String, Vec<Job>> = HashMap::new();
        for job in jobs {
            groups.entry(job.kind.clone()).or_default().push(job);
        }
        for (kind, jobs) in groups {
            let (places, place) = match self.long.contains(&kind.as_str()) {
                true => (room.long.clone(), long.take()),
                false => (room.quick.clone(), quick.take()),
            };
            let worker = self.clone();
            room.tasks.spawn(async move {
                let place = async {
                    match place {
                        Some(place) => Some(place),
                        None => places.acquire_owned().await.ok(),
                    }
                };
                worker.work(&kind, jobs, token, place).await;
            });
        }
        Ok(took)
    }

    /// Works on a group once it has a permit. Renews its lease from the start, because groups of a claim with several
    /// kinds may have to wait for a permit.
    async fn work<P>(&self, kind: &str, jobs: Vec<Job>, token: Token, place: impl Future<Output = P>) {
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        let working = async {
            let place = place.await;
            (self.handle(kind, &jobs, token).await, place)
        };
        let (handled, _place) = tokio::select! {
            done = working => done,
            () = self.keep_lease(&ids, token) => {
                tracing::warn!(kind, "lost the lease of jobs; their results are discarded");
                return;
            }
        };
        if let Err(error) = self.complete(&jobs, token, handled).await {
            // The lease expires and the jobs run again. Effects and completion share one transaction.
            tracing::error!(%error, kind, "cannot complete jobs");
        }
    }

    async fn handle(&self, kind: &str, jobs: &[Job], token: Token) -> Handled {
        let Some(handler) = self.handlers.get(kind) else {
            return Handled::all(jobs, Outcome::newer());
        };
        let running = AssertUnwindSafe(handler(jobs.to_vec(), token)).catch_unwind();
        running.await.unwrap_or_else(|_| Handled::all(jobs, Outcome::Retry("panic".into())))
    }

    /// Renews the lease after each third of its duration. Returns when the lease is lost.
    async fn keep_lease(&self, ids: &[i64], token: Token) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match claim::renew(&self.ctx.db, ids, token, self.ctx.now().plus(self.lease)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot renew the lease of jobs"),
            }
        }
    }

    async fn complete(&self, jobs: &[Job], token: Token, handled: Handled) -> Result<(), DbError> {
        let now = self.ctx.now();
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for job in jobs {
            let (error, charge, permanent) = match handled.outcomes.get(&job.id) {
                Some(Outcome::Done) => {
                    done.push(job.id);
                    continue;
                }
                Some(Outcome::GiveUp(error)) => (error.clone(), 1, 1),
                Some(Outcome::Retry(error)) => (error.clone(), 1, 0),
                Some(Outcome::Later(error)) => (error.clone(), 0, 0),
                None => ("the handler returned no outcome for this job".to_owned(), 1, 0),
            };
            tracing::warn!(job = job.id, kind = job.kind, attempt = job.attempt, error, "the job did not succeed");
            let policy =
                Queue::ALL.into_iter().find(|queue| queue.name() == job.queue).unwrap_or(Queue::Notifications).policy();
            failed.push(Failed {
                id: job.id,
                lease_token: token,
                charge,
                permanent,
                run_at: now.plus(policy.backoff.after(job.attempt, self.ctx.random.fraction())),
                last_error: error,
            });
        }
        let (done, failed, effects) = (&done, &failed, &handled.effects);
        let dead = self
            .ctx
            .db
            .write(Priority::Worker, |tx| async move {
                let ours = claim::succeed(&tx, done, token, now).await?;
                if let (Some(effects), false) = (effects, ours.is_empty()) {
                    effects(tx.clone(), ours).await?;
                }
                claim::fail(&tx, failed, now).await
            })
            .await?;
        if !dead.is_empty() {
            tracing::error!(jobs = ?dead, "jobs are dead: no attempt is left, or none can succeed");
        }
        Ok(())
    }
}

/// Returns when a domain event arrives. A lagged receiver counts as an arrival.
async fn heard(domain_events: &mut broadcast::Receiver<Arc<crate::domain_event::Recorded>>) {
    match domain_events.recv().await {
        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
    // One claim covers all domain events received so far.
    *domain_events = domain_events.resubscribe();
}
