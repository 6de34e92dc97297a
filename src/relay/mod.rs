//! The relay: domain events get their numbers, reactions effects_of, everybody is woken.
//! Not here: what follows from a domain event (`reactions`, given by `app`), and streams to clients.
//!
//! Every process runs one; the lock on `stream_head` elects the one that numbers in a round, the lock on the consumer's
//! row the one that reacts. Numbering and reacting have transactions and cursors of their own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::sqlx::postgres::PgListener;
use tokio::sync::Notify;
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

/// The channel other processes are woken through on PostgreSQL.
pub const CHANNEL: &str = "boxoffice";

/// How long anybody waits without a wake-up before looking.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How soon to try again when another process was numbering.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// How soon to try again after an error.
const AFTER_ERROR: Duration = Duration::from_millis(250);

/// What reactions to a batch of domain events did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reacted {
    /// The newest notice number of each user concerned.
    pub heads: Vec<(UserId, i64)>,
    /// The domain events that people are told of.
    pub notified: Vec<Notified>,
}

impl Reacted {
    fn add(&mut self, more: Self) {
        self.heads.extend(more.heads);
        self.notified.extend(more.notified);
    }
}

/// A domain event that triggered notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// The domain event.
    pub domain_event: DomainEventId,
    /// Its kind.
    pub kind: &'static str,
    /// The event it is about, if of one.
    pub event: Option<EventId>,
    /// Notices written with the reaction.
    pub recipients: usize,
    /// Whether a fan-out job tells more people than that.
    pub fan_out: bool,
}

/// Writes what follows from domain events, in the transaction that moves the cursor over them.
pub type React = Arc<dyn Fn(Tx, Vec<Recorded>) -> BoxFuture<'static, Result<Reacted, DbError>> + Send + Sync>;

/// The relay of this process.
#[derive(Clone)]
pub struct Relay {
    /// Acts as the service.
    pub ctx: Ctx,
    /// Whom it wakes.
    pub bus: Bus,
    /// What follows from domain events.
    pub react: React,
    /// Signalled when reactions enqueued jobs.
    pub enqueued: Arc<Notify>,
    /// Signalled when there are numbered domain events to feed to the bus.
    pub numbered: Arc<Notify>,
}

impl Relay {
    /// Runs numbering, reacting and feeding until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let feed = tokio::spawn(feed::run(self.ctx.clone(), self.bus.clone(), self.numbered.clone(), stop.clone()));
        let listener = tokio::spawn(listen(self.ctx.clone(), self.numbered.clone(), stop.clone()));
        let mut is_outdated = false;
        while !stop.is_cancelled() {
            let round = self.round().await;
            let was_outdated = std::mem::replace(&mut is_outdated, matches!(round, Ok(Round::Outdated)));
            if is_outdated && !was_outdated {
                tracing::warn!(
                    "the next domain event is of a later release; a process of that release has to react to it"
                );
            }
            let wait = match round {
                Ok(Round::Progress) => continue,
                Ok(Round::Idle | Round::Outdated) => LOOK_EVERY,
                Ok(Round::Busy) => TRY_AGAIN,
                Err(error) => {
                    tracing::error!(%error, "the relay failed; it tries again");
                    AFTER_ERROR
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.ctx.db.appended().notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        let _ = feed.await;
        let _ = listener.await;
    }

    /// Numbers and reacts once.
    async fn round(&self) -> Result<Round, DbError> {
        let numbered = number::number(&self.ctx.db).await?;
        let reacted = react::react(&self.ctx, &self.react).await?;
        if let react::Step::Reacted(reacted) = &reacted {
            self.bus.wake_inboxes(reacted.heads.iter().copied());
            self.enqueued.notify_one();
            reacted.notified.iter().for_each(log);
        }
        let moved = matches!(reacted, react::Step::Reacted(_));
        if moved || numbered == number::Step::Numbered {
            self.numbered.notify_one();
            return Ok(Round::Progress);
        }
        let busy = numbered == number::Step::Elsewhere || matches!(reacted, react::Step::Elsewhere);
        Ok(match reacted {
            react::Step::Resigned => Round::Outdated,
            _ if busy => Round::Busy,
            _ => Round::Idle,
        })
    }
}

enum Round {
    Progress,
    Idle,
    Busy,
    /// Nothing but what only a later release can react to.
    Outdated,
}

/// One line per domain event that triggers notices, once it is committed; the lines of its recipients follow.
fn log(notified: &Notified) {
    let recipients = match notified.fan_out {
        true => "more than a reaction tells by itself".to_owned(),
        false => notified.recipients.to_string(),
    };
    let event = notified.event.map(NodeId::to_global_id).unwrap_or_default();
    tracing::info!(
        target: "boxoffice::notification", kind = notified.kind, domain_event = %notified.domain_event, event = %event, recipients = %recipients,
        "notices triggered"
    );
}

/// Wakes the feed when another process reacted. A lost connection is opened again, and then the table is read.
async fn listen(ctx: Ctx, numbered: Arc<Notify>, stop: CancellationToken) {
    let Some(pool) = ctx.db.postgres_pool() else { return };
    let hear = async {
        loop {
            match listener(pool).await {
                Ok(mut listener) => {
                    numbered.notify_one();
                    // An error or a lost connection ends the loop; what was missed meanwhile is in the table.
                    while let Ok(Some(_)) = listener.try_recv().await {
                        numbered.notify_one();
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot listen for other processes"),
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
