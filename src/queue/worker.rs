//! Worker: claims due jobs by queue and kind, passes them to the handlers, and completes them under the fencing token.
//! Not here: the handlers; `jobs` registers them.
//!
//! A round looks for the first due job of each queue and kind, takes the free places of its lane (`lanes`) and claims
//! as many jobs. So a queue that fills its places, or a kind with a long backlog, delays the jobs of no other queue.
//! Each job or batch completes when it ends.
//!
//! This is the notification task of the process: it receives domain events from the broadcast bus as wake-ups, and
//! polls every half second as well.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Queue;
use super::claim::{self, Failed, Job, Source, Token};
use super::lanes::Lanes;
use super::registry::{Handled, Handler, Mode, Outcome, Registry};
use crate::bus::Bus;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority};

/// Time for which a claim holds without renewal.
pub const LEASE: Duration = Duration::from_secs(30);

/// Poll interval used when no wake-up arrives.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// Worker of this process.
#[derive(Clone)]
pub struct Worker {
    /// Context that acts as the service.
    pub ctx: Ctx,
    /// Bus that wakes the worker.
    pub bus: Bus,
    /// Handlers by job kind.
    pub registry: Registry,
    /// Time for which a claim holds without renewal.
    pub lease: Duration,
    /// Signalled when jobs were enqueued in this process.
    pub enqueued: Arc<Notify>,
}

/// State of a worker that runs.
struct Running {
    worker: Worker,
    lanes: Lanes,
    tasks: TaskTracker,
    /// Kinds of job this release has a handler for, sorted.
    kinds: Vec<&'static str>,
    /// All queues and these kinds.
    sources: Vec<Source>,
}

/// Jobs to claim and the places for them.
struct Pick<'a> {
    handler: &'a Handler,
    source: Source,
    limit: i64,
    places: Vec<OwnedSemaphorePermit>,
}

impl Worker {
    /// Runs until `stop`, then finishes the jobs in progress.
    pub async fn run(self, stop: CancellationToken) {
        let (mut domain_events, enqueued) = (self.bus.listen(), self.enqueued.clone());
        let running = self.running();
        while !stop.is_cancelled() {
            let took = match running.round().await {
                Ok(took) => took,
                Err(error) => {
                    tracing::error!(%error, "the worker cannot claim jobs");
                    false
                }
            };
            if !took {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = enqueued.notified() => {}
                    () = running.lanes.freed() => {}
                    () = woken(&mut domain_events) => {}
                    () = tokio::time::sleep(POLL_EVERY) => {}
                }
            }
        }
        running.tasks.wait().await;
    }

    /// Works until no job is due, then returns.
    pub async fn drain(&self) -> Result<(), DbError> {
        let running = self.clone().running();
        loop {
            let is_idle = running.tasks.is_empty();
            if running.round().await? {
                continue;
            }
            if is_idle {
                return Ok(());
            }
            tokio::select! {
                () = running.lanes.freed() => {}
                () = running.tasks.wait() => {}
            }
        }
    }

    fn running(self) -> Arc<Running> {
        let kinds = self.registry.kinds();
        let of_kind = |kind: &'static str| Queue::ALL.map(|queue| Source { queue, kind });
        let sources = kinds.iter().copied().flat_map(of_kind).collect();
        let tasks = TaskTracker::new();
        tasks.close(); // so that it can be waited for; further tasks may be spawned
        Arc::new(Running { worker: self, lanes: Lanes::new(), tasks, kinds, sources })
    }
}

impl Running {
    /// Claims once for every free place and starts the claimed jobs. Returns true if there were any.
    async fn round(self: &Arc<Self>) -> Result<bool, DbError> {
        let ctx = &self.worker.ctx;
        if claim::is_any_orphaned(&ctx.db, &self.kinds, ctx.now()).await? {
            let rescued = claim::rescue(&ctx.db, &self.kinds, ctx.now()).await?;
            tracing::warn!(jobs = rescued, "jobs with an expired lease were freed");
        }
        let picks = self.pick().await?;
        if picks.is_empty() {
            return Ok(false);
        }
        let token = Token(ctx.id());
        let wanted: Vec<(Source, i64)> = picks.iter().map(|pick| (pick.source.clone(), pick.limit)).collect();
        let claimed = claim::claim(&ctx.db, &wanted, ctx.now(), self.worker.lease, token).await?;
        let took = claimed.iter().any(|jobs| !jobs.is_empty());
        for (pick, jobs) in picks.into_iter().zip(claimed) {
            let groups: Vec<Vec<Job>> = match pick.handler.mode {
                Mode::Batch(_) if jobs.is_empty() => Vec::new(),
                Mode::Batch(_) => vec![jobs],
                Mode::Single => jobs.into_iter().map(|job| vec![job]).collect(),
            };
            for (group, place) in groups.into_iter().zip(pick.places) {
                let (running, handler) = (self.clone(), pick.handler.clone());
                self.tasks.spawn(async move {
                    running.work(&handler, &group, token).await;
                    running.lanes.free(place);
                });
            }
        }
        Ok(took)
    }

    /// Chooses the sources with due jobs and free places, the one with the oldest job first.
    async fn pick(&self) -> Result<Vec<Pick<'_>>, DbError> {
        let ctx = &self.worker.ctx;
        let mut picks = Vec::new();
        for front in claim::fronts(&ctx.db, &self.sources, ctx.now()).await? {
            let source = self.sources.iter().find(|one| one.queue.name() == front.queue && one.kind == front.kind);
            let handler = self.worker.registry.handler(&front.kind);
            let (Some(source), Some(handler)) = (source, handler) else { continue };
            let places = self.lanes.take(source.queue, handler);
            if !places.is_empty() {
                let limit = match handler.mode {
                    Mode::Batch(size) => size,
                    Mode::Single => places.len() as i64,
                };
                picks.push(Pick { handler, source: source.clone(), limit, places });
            }
        }
        Ok(picks)
    }

    /// Works on a job or a batch, and renews its lease meanwhile.
    #[tracing::instrument(level = "debug", skip_all, fields(job = jobs.first().map_or(0, |job| job.id), jobs = jobs.len()))]
    async fn work(&self, handler: &Handler, jobs: &[Job], token: Token) {
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        let handled = tokio::select! {
            handled = handler.run(jobs) => handled,
            () = self.keep_lease(&ids, token) => {
                tracing::warn!(kind = handler.kind, "lost the lease of jobs; their results are discarded");
                return;
            }
        };
        // The work is done: a database that is away for a moment must not cost the jobs an attempt. Repeating is safe,
        // because the token fences each completion.
        let completing = async {
            loop {
                match self.complete(jobs, token, &handled).await {
                    Err(error) if db::is_transient(&error) => {
                        tracing::warn!(%error, kind = handler.kind, "cannot complete jobs yet");
                        tokio::time::sleep(POLL_EVERY).await;
                    }
                    done => break done,
                }
            }
        };
        let completed = tokio::select! {
            completed = tokio::time::timeout(self.worker.lease, completing) => completed.unwrap_or(Ok(())),
            () = self.keep_lease(&ids, token) => return,
        };
        if let Err(error) = completed {
            // The lease expires and the jobs run again. Effects and completion share one transaction.
            tracing::error!(%error, kind = handler.kind, "cannot complete jobs");
        }
    }

    /// Renews the lease after each third of its duration. Returns when the lease is lost.
    async fn keep_lease(&self, ids: &[i64], token: Token) {
        let Worker { ctx, lease, .. } = &self.worker;
        loop {
            tokio::time::sleep(*lease / 3).await;
            match claim::renew(&ctx.db, ids, token, ctx.now().plus(*lease)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot renew the lease of jobs"),
            }
        }
    }

    /// Completes the jobs of a batch in one transaction. If the effects of one cannot be written, each is completed on
    /// its own, and that one has failed.
    async fn complete(&self, jobs: &[Job], token: Token, handled: &Handled) -> Result<(), DbError> {
        match self.complete_together(jobs, token, handled).await {
            Err(error) if !db::is_transient(&error) => match jobs {
                [job] => {
                    let failed = Handled::all([job], &Outcome::Retry(error.to_string()));
                    self.complete_together(jobs, token, &failed).await
                }
                _ => {
                    for job in jobs {
                        Box::pin(self.complete(std::slice::from_ref(job), token, handled)).await?;
                    }
                    Ok(())
                }
            },
            done => done,
        }
    }

    async fn complete_together(&self, jobs: &[Job], token: Token, handled: &Handled) -> Result<(), DbError> {
        let ctx = &self.worker.ctx;
        let now = ctx.now();
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for job in jobs {
            let (error, counts_attempt, is_permanent) = match handled.outcomes.get(&job.id) {
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
            failed.push(Failed {
                id: job.id,
                lease_token: token,
                counts_attempt,
                is_permanent,
                run_at: now.plus(job.backoff().after(job.attempt, ctx.random.fraction())),
                last_error: error,
            });
        }
        let (done, failed, effects) = (&done, &failed, &handled.effects);
        let complete = |tx: db::Tx| async move {
            let ours = claim::succeed(&tx, done, token, now).await?;
            if let (Some(effects), false) = (effects, ours.is_empty()) {
                effects(tx.clone(), ours).await?;
            }
            claim::fail(&tx, failed, now).await
        };
        let dead = ctx.db.write(Priority::Worker, complete).await?;
        if !dead.is_empty() {
            tracing::error!(jobs = ?dead, "jobs are dead: no attempt is left, or none can succeed");
        }
        Ok(())
    }
}

/// Returns when a domain event arrives. A lagged receiver counts as an arrival.
async fn woken(domain_events: &mut broadcast::Receiver<Arc<crate::domain_event::Recorded>>) {
    match domain_events.recv().await {
        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
    // One claim covers all domain events received so far.
    *domain_events = domain_events.resubscribe();
}
