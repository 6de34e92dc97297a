//! Fan-out: notices to a large audience, a thousand at a time, from a durable cursor.
//! Not here: small audiences, for which the reaction writes the notices itself.
//!
//! Each chunk is one transaction: notices, deliveries, cursor, fenced by the lease. If the process is killed between
//! chunks, the job resumes at the cursor; in the middle of a chunk, that chunk rolls back.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::audience::{self, Customers};
use super::{NewNotice, inbox};
use crate::bus::Bus;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority};
use crate::domain_event::{Recorded, UnreadableDomainEvent};
use crate::id::{DomainEventId, EventId, UserId};
use crate::queue::claim::{self, Held, Job};
use crate::queue::registry::{Outcome, Run};
use crate::queue::{JobKind, NewJob};
use crate::relay::history::Row;
use crate::status::{Audience, NoticeKind};

/// Job that notifies a large audience of a domain event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FanOut {
    domain_event: DomainEventId,
    event: EventId,
    customers: Customers,
    /// Word of the kind of notice, which may be of a later release.
    kind: String,
}

impl JobKind for FanOut {
    const KIND: &'static str = "fanout";
    const IS_LONG: bool = true;
}

/// Returns the job that notifies these customers of a domain event.
pub fn job(
    domain_event: &Recorded,
    event: EventId,
    customers: Customers,
    kind: NoticeKind,
    now: crate::clock::Timestamp,
) -> NewJob {
    let job = FanOut { domain_event: domain_event.id, event, customers, kind: kind.word().to_owned() };
    NewJob::new(&job, now).because_of(domain_event.id).once(domain_event.id.to_string())
}

/// Handler of fan-out jobs; it stops between chunks once `stop` is cancelled.
pub struct FanningOut {
    /// Context that acts as the service.
    pub ctx: Ctx,
    /// Bus that wakes the streams of the recipients.
    pub bus: Bus,
    /// Cancelled when the process stops.
    pub stop: CancellationToken,
}

impl Run for FanningOut {
    type Kind = FanOut;

    async fn run(&self, args: FanOut, job: Job) -> Outcome {
        match notify_all(self, args, &job).await {
            Ok(()) => Outcome::Done,
            Err(Stopped::Early) => Outcome::handed_back(),
            Err(Stopped::Newer) => Outcome::newer(),
            Err(Stopped::Nonsense(why)) => Outcome::GiveUp(why),
            Err(Stopped::Db(error)) => Outcome::of(&error),
        }
    }
}

enum Stopped {
    Early,
    Newer,
    Nonsense(String),
    Db(DbError),
}

impl From<DbError> for Stopped {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

async fn notify_all(handler: &FanningOut, args: FanOut, job: &Job) -> Result<(), Stopped> {
    let FanningOut { ctx, bus, stop } = handler;
    let sql = "SELECT id, seq, kind, v, occurred_at, actor_id, event_id, data FROM domain_event WHERE id = $1 AND seq IS NOT NULL";
    let row: Option<Row> = db::one(ctx.db.read(), sql, [args.domain_event.into()]).await?;
    let domain_event = row.ok_or_else(|| Stopped::Nonsense("the domain event no longer exists".into()))?;
    let domain_event = domain_event.read().map_err(|error| match error {
        UnreadableDomainEvent::Newer => Stopped::Newer,
        UnreadableDomainEvent::Damaged(_) => Stopped::Nonsense(error.to_string()),
    })?;
    let kind = NoticeKind::of(&args.kind).ok_or(Stopped::Newer)?;
    let mut after: Option<UserId> = job.progress.as_deref().and_then(|text| serde_json::from_str(text).ok());
    while !stop.is_cancelled() {
        let (heads, last) = chunk(ctx, job.held(), &domain_event, (&args, kind), after).await?;
        bus.wake_inboxes(heads);
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
    Err(Stopped::Early)
}

/// Notifies the next thousand. Returns the last user notified; `None` if all were, or if another process holds the job.
async fn chunk(
    ctx: &Ctx,
    held: Held,
    domain_event: &Recorded,
    (args, kind): (&FanOut, NoticeKind),
    after: Option<UserId>,
) -> Result<(Vec<(UserId, i64)>, Option<UserId>), DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let customers =
                audience::customers(&tx, args.event, args.customers, domain_event.occurred_at, after, audience::CHUNK)
                    .await?;
            let Some(last) = customers.last().map(|customer| customer.user) else { return Ok((Vec::new(), None)) };
            let progress = serde_json::json!(last).to_string();
            if !claim::advance(&tx, held, &progress).await? {
                return Ok((Vec::new(), None));
            }
            let notices: Vec<NewNotice> = customers
                .iter()
                .map(|customer| NewNotice {
                    booking: customer.booking,
                    event: Some(args.event),
                    ..NewNotice::of(domain_event, customer.user, kind, Audience::Customer)
                })
                .collect();
            let heads = inbox::write(&tx, &notices, ctx.now()).await?;
            db::notify(&tx, crate::relay::CHANNEL, "").await?;
            Ok((heads, Some(last)))
        })
        .await
}
