//! Relay: numbers domain events, runs the reactions to them, and wakes waiting tasks.
//! Not here: the reactions themselves (`reactions`, passed in by `app`), and streams to clients.
//!
//! Every process runs a relay. The lock on `stream_head` elects the process that numbers in a round, the lock on the
//! row of a consumer the one that lets it react. Numbering and each consumer have transactions and cursors of their
//! own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::ctx::Ctx;
use crate::db::{DbError, Tx};
use crate::domain_event::Recorded;
use crate::id::{DomainEventId, EventId, NodeId, UserId};

pub mod feed;
pub mod history;
pub mod number;
pub mod react;

/// Channel on PostgreSQL that wakes other processes.
pub const CHANNEL: &str = "boxoffice";

/// Poll interval used when no wake-up arrives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Wait before the next try while another process is numbering.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Wait before the next try after an error.
const AFTER_ERROR: Duration = Duration::from_millis(250);

/// Results of the reactions to a batch of domain events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reacted {
    /// The newest notice number of each user concerned.
    pub heads: Vec<(UserId, i64)>,
    /// Domain events that triggered notices.
    pub notified: Vec<Notified>,
}

impl Reacted {
    fn add(&mut self, more: Self) {
        self.heads.extend(more.heads);
        self.notified.extend(more.notified);
    }
}

/// Domain event that triggered notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// Id of the domain event.
    pub domain_event: DomainEventId,
    /// Kind of the domain event.
    pub kind: &'static str,
    /// Event it is about, if any.
    pub event: Option<EventId>,
    /// Number of notices written with the reaction.
    pub recipients: usize,
    /// True if a fan-out job writes further notices.
    pub fan_out: bool,
}

/// Function that writes the reactions to domain events, in the transaction that moves the cursor past them.
pub type React = Arc<dyn Fn(Tx, Vec<Recorded>) -> BoxFuture<'static, Result<Reacted, DbError>> + Send + Sync>;

/// Position at which a consumer begins in a database that does not know it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first domain event that is kept.
    Beginning,
    /// With the next one.
    Now,
}

/// Consumer of the history: it has a name, and under that name a durable cursor and parked domain events of its own. A
/// consumer that fails or is slow delays no other.
#[derive(Clone)]
pub struct Consumer {
    /// Name in the database; it stays for ever.
    pub name: &'static str,
    /// Position at which it begins.
    pub start: Start,
    /// Writes its effects.
    pub react: React,
}

/// Relay of this process.
#[derive(Clone)]
pub struct Relay {
    /// Context that acts as the service.
    pub ctx: Ctx,
    /// Bus that is fed, and through which inboxes are woken.
    pub bus: Bus,
    /// Consumers of the history, each in a task of its own.
    pub consumers: Vec<Consumer>,
    /// Signalled when reactions enqueued jobs.
    pub enqueued: Arc<Notify>,
    /// Signalled when there are numbered domain events to feed to the bus.
    pub numbered: Arc<Notify>,
}

impl Relay {
    /// Numbers, reacts and feeds until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        tasks.spawn(feed::run(self.ctx.clone(), self.bus.clone(), self.numbered.clone(), stop.clone()));
        tasks.spawn(listen(self.ctx.clone(), self.numbered.clone(), stop.clone()));
        let mut wakers = Vec::new();
        for consumer in &self.consumers {
            let waker = Arc::new(Notify::new());
            tasks.spawn(self.clone().consume(consumer.clone(), waker.clone(), stop.clone()));
            wakers.push(waker);
        }
        while !stop.is_cancelled() {
            let wait = match number::number(&self.ctx.db).await {
                Ok(number::Step::Numbered) => {
                    wakers.iter().for_each(|waker| waker.notify_one());
                    self.numbered.notify_one();
                    continue;
                }
                Ok(number::Step::Nothing) => LOOK_EVERY,
                Ok(number::Step::Elsewhere) => TRY_AGAIN,
                Err(error) => {
                    tracing::error!(%error, "numbering failed; it is tried again");
                    AFTER_ERROR
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.ctx.db.appended().notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Lets one consumer react until `stop`. `waker` is signalled when there are new numbers.
    async fn consume(self, consumer: Consumer, waker: Arc<Notify>, stop: CancellationToken) {
        let mut is_registered = false;
        let mut is_outdated = false;
        while !stop.is_cancelled() {
            let step = async {
                if !is_registered {
                    react::register(&self.ctx, &consumer).await?;
                }
                react::react(&self.ctx, &consumer).await
            };
            let step = step.await;
            is_registered |= step.is_ok();
            let was_outdated = std::mem::replace(&mut is_outdated, matches!(step, Ok(react::Step::Resigned)));
            let wait = match step {
                Ok(react::Step::Reacted(reacted)) => {
                    self.bus.wake_inboxes(reacted.heads.iter().copied());
                    self.enqueued.notify_one();
                    reacted.notified.iter().for_each(log);
                    self.numbered.notify_one();
                    continue;
                }
                Ok(react::Step::Resigned) => {
                    if !was_outdated {
                        tracing::warn!(
                            consumer = consumer.name,
                            "the next domain event is of a later release; only a process of that release can react to it"
                        );
                    }
                    LOOK_EVERY
                }
                // The process that reacts reads again after its commit; only its death leaves work to this one.
                Ok(react::Step::Nothing | react::Step::Elsewhere) => LOOK_EVERY,
                Err(error) => {
                    tracing::error!(consumer = consumer.name, %error, "reacting failed; it is tried again");
                    AFTER_ERROR
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = waker.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// Logs one line per domain event that triggered notices, after its commit. Lines for the recipients follow.
fn log(notified: &Notified) {
    let recipients = match notified.fan_out {
        true => "too many for a reaction; a fan-out job notifies them".to_owned(),
        false => notified.recipients.to_string(),
    };
    let event = notified.event.map(NodeId::to_global_id).unwrap_or_default();
    tracing::info!(
        target: "boxoffice::notification", kind = notified.kind, domain_event = %notified.domain_event, event = %event, recipients = %recipients,
        "notices triggered"
    );
}

/// Wakes the feed when another process has reacted. After a lost connection it reconnects, and the feed reads the
/// table.
async fn listen(ctx: Ctx, numbered: Arc<Notify>, stop: CancellationToken) {
    let Some(pool) = ctx.db.postgres_pool() else { return };
    let hear = async {
        loop {
            match listener(pool).await {
                Ok(mut listener) => {
                    numbered.notify_one();
                    // An error or a lost connection ends the loop. Domain events missed meanwhile are in the table.
                    while let Ok(Some(_)) = listener.try_recv().await {
                        numbered.notify_one();
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot listen for wake-ups of other processes"),
            }
            tokio::time::sleep(AFTER_ERROR).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = hear => {}
    }
}

async fn listener(pool: &sea_orm::sqlx::PgPool) -> Result<PgListener, sea_orm::sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
