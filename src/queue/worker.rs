//! The worker: claims what is due, hands it to the handlers, completes it under the fence.
//! Not here: what handlers do; `app` registers them. It is the notification task of this process: a receiver of the
//! broadcast bus that a domain event wakes, and that looks every half second anyway.

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

/// Groups of jobs a process works on at the same time.
const QUICK: usize = 5;

/// Groups of long jobs it works on besides, so that these never take the places of quick ones.
const LONG: usize = 2;

/// Jobs taken by one claim: one commit for all of them.
const CLAIM_MAX: i64 = 100;

/// How long a claim holds without renewal.
pub const LEASE: Duration = Duration::from_secs(30);

/// How long the worker trusts its ears.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Done,
    /// It may work later.
    Retry(String),
    /// It may work later, and that it did not now is not its fault: no attempt is charged.
    Later(String),
    /// It can never work.
    GiveUp(String),
}

impl Outcome {
    /// Of a job that works in chunks: what passes by itself never ends it.
    pub fn of(error: &DbError) -> Self {
        match db::is_transient(error) {
            true => Self::Later(error.to_string()),
            false => Self::Retry(error.to_string()),
        }
    }

    /// Of a job that works in chunks, between two of them, when the process stops: the next one goes on.
    pub fn handed_back() -> Self {
        Self::Later("the process stops".to_owned())
    }

    /// Of a job about something that only a later release can read: a process of that release does it.
    pub fn newer() -> Self {
        Self::Later("left to a process of a later release".to_owned())
    }
}

/// Writes what jobs did, in the transaction that completes them; given the ids that are still ours.
pub type Effects = Arc<dyn Fn(Tx, Vec<i64>) -> BoxFuture<'static, Result<(), DbError>> + Send + Sync>;

/// What a handler did with a group of jobs.
pub struct Handled {
    /// One outcome per job, by id. A job without one is retried.
    pub outcomes: HashMap<i64, Outcome>,
    /// What to write with those that are done.
    pub effects: Option<Effects>,
}

impl Handled {
    /// The same outcome for every job.
    pub fn all(jobs: &[Job], outcome: Outcome) -> Self {
        Self { outcomes: jobs.iter().map(|job| (job.id, outcome.clone())).collect(), effects: None }
    }
}

/// Works on a group of jobs of one kind; outside any transaction.
pub type Handler = Arc<dyn Fn(Vec<Job>, Token) -> BoxFuture<'static, Handled> + Send + Sync>;

/// The worker of this process.
#[derive(Clone)]
pub struct Worker {
    /// Acts as the service.
    pub ctx: Ctx,
    /// Who wakes it.
    pub bus: Bus,
    /// By job kind.
    pub handlers: Arc<HashMap<&'static str, Handler>>,
    /// Kinds whose jobs go in chunks and may take minutes.
    pub long: &'static [&'static str],
    /// How long a claim holds without renewal.
    pub lease: Duration,
    /// Signalled when jobs were enqueued in this process.
    pub enqueued: Arc<Notify>,
}

/// The places for groups of jobs in work.
struct Room {
    quick: Arc<Semaphore>,
    long: Arc<Semaphore>,
    /// Claims begun; each starts at another queue.
    claims: AtomicUsize,
    tasks: TaskTracker,
    /// Kinds of job this release has a handler for, in order.
    kinds: Vec<&'static str>,
    /// Those of them that are quick.
    quick_kinds: Vec<&'static str>,
}

impl Room {
    fn new(worker: &Worker) -> Self {
        let mut kinds: Vec<&'static str> = worker.handlers.keys().copied().collect();
        kinds.sort_unstable(); // one text of the statement
        Self {
            quick_kinds: kinds.iter().copied().filter(|kind| !worker.long.contains(kind)).collect(),
            kinds,
            quick: Arc::new(Semaphore::new(QUICK)),
            long: Arc::new(Semaphore::new(LONG)),
            claims: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
        }
    }

    /// Lets what was begun finish.
    async fn close(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Worker {
    /// Runs until `stop`, then finishes what it has in hand.
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

    /// Works off everything that is due, and returns.
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

    /// Claims once and starts what was claimed. Says whether there was anything.
    async fn round(&self, room: &Room) -> Result<bool, DbError> {
        let (db, now) = (&self.ctx.db, self.ctx.now());
        let known = Kinds::These(&room.kinds);
        if claim::is_any_orphaned(db, known, now).await? {
            let rescued = claim::rescue(db, known, now).await?;
            tracing::warn!(jobs = rescued, "a worker disappeared; its jobs go on");
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
        // Room for one group first: what nobody here has time for is left to other processes.
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

    /// Works on a group as soon as there is a place for it, and keeps its lease from the first moment: a claim that holds
    /// several kinds may have to wait with some of them.
    async fn work<P>(&self, kind: &str, jobs: Vec<Job>, token: Token, place: impl Future<Output = P>) {
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        let working = async {
            let place = place.await;
            (self.handle(kind, &jobs, token).await, place)
        };
        let (handled, _place) = tokio::select! {
            done = working => done,
            () = self.keep_lease(&ids, token) => {
                tracing::warn!(kind, "lost the lease; the work is dropped");
                return;
            }
        };
        if let Err(error) = self.complete(&jobs, token, handled).await {
            // The lease runs out and somebody does it again; effects and completion stand or fall together.
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

    /// Renews the lease at a third of its time; returns when it is lost.
    async fn keep_lease(&self, ids: &[i64], token: Token) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match claim::renew(&self.ctx.db, ids, token, self.ctx.now().plus(self.lease)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot renew a lease"),
            }
        }
    }

    async fn complete(&self, jobs: &[Job], token: Token, handled: Handled) -> Result<(), DbError> {
        let now = self.ctx.now();
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for job in jobs {
            let (error, charge, hopeless) = match handled.outcomes.get(&job.id) {
                Some(Outcome::Done) => {
                    done.push(job.id);
                    continue;
                }
                Some(Outcome::GiveUp(error)) => (error.clone(), 1, 1),
                Some(Outcome::Retry(error)) => (error.clone(), 1, 0),
                Some(Outcome::Later(error)) => (error.clone(), 0, 0),
                None => ("the handler forgot this job".to_owned(), 1, 0),
            };
            tracing::warn!(job = job.id, kind = job.kind, attempt = job.attempt, error, "job not done");
            let policy =
                Queue::ALL.into_iter().find(|queue| queue.name() == job.queue).unwrap_or(Queue::Notifications).policy();
            failed.push(Failed {
                id: job.id,
                lease_token: token,
                charge,
                hopeless,
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
            tracing::error!(jobs = ?dead, "jobs were put away");
        }
        Ok(())
    }
}

/// Returns when anything was heard; having missed something counts as having heard of it.
async fn heard(domain_events: &mut broadcast::Receiver<Arc<crate::domain_event::Recorded>>) {
    match domain_events.recv().await {
        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
    // One look serves everything that has come by now.
    *domain_events = domain_events.resubscribe();
}
