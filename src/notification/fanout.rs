//! Fan-out: notices to a large audience, a thousand at a time, from a durable cursor.
//! Not here: small audiences, for which the reaction writes the notices itself.
//!
//! Each chunk is one transaction: notices, deliveries, cursor, fenced by the lease. If the process is killed between
//! chunks, the job resumes at the cursor; in the middle of a chunk, that chunk rolls back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::audience::{self, Customers};
use super::{NewNotice, inbox};
use crate::bus::Bus;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority};
use crate::domain_event::{Recorded, UnreadableDomainEvent};
use crate::id::{DomainEventId, EventId, UserId};
use crate::queue::claim::{self, Job, Token};
use crate::queue::worker::{Handled, Handler, Outcome};
use crate::queue::{NewJob, Queue};
use crate::relay::history::Row;
use crate::status::{Audience, NoticeKind};

/// Kind of the fan-out job.
pub const KIND: &str = "fanout";

/// Arguments of a fan-out job.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Args {
    domain_event: DomainEventId,
    event: EventId,
    customers: Customers,
    kind: NoticeKind,
}

/// Returns the job that notifies these customers of a domain event.
pub fn job(
    domain_event: &Recorded,
    event: EventId,
    customers: Customers,
    kind: NoticeKind,
    now: crate::clock::Timestamp,
) -> NewJob {
    let args =
        serde_json::json!({ "domain_event": domain_event.id, "event": event, "customers": customers, "kind": kind });
    NewJob::new(Queue::Notifications, KIND, &args, now).because_of(domain_event.id).once(domain_event.id.to_string())
}

/// Returns the handler of fan-out jobs; it stops between chunks once `stop` is cancelled.
pub fn handler(ctx: Ctx, bus: Bus, stop: CancellationToken) -> Handler {
    Arc::new(move |jobs, token| {
        let (ctx, bus, stop) = (ctx.clone(), bus.clone(), stop.clone());
        Box::pin(async move {
            let mut outcomes = std::collections::HashMap::new();
            for job in &jobs {
                let outcome = match tell_all(&ctx, &bus, &stop, job, token).await {
                    Ok(()) => Outcome::Done,
                    Err(Stopped::Early) => Outcome::handed_back(),
                    Err(Stopped::Newer) => Outcome::newer(),
                    Err(Stopped::Nonsense(why)) => Outcome::GiveUp(why),
                    Err(Stopped::Db(error)) => Outcome::of(&error),
                };
                outcomes.insert(job.id, outcome);
            }
            Handled { outcomes, effects: None }
        })
    })
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

async fn tell_all(ctx: &Ctx, bus: &Bus, stop: &CancellationToken, job: &Job, token: Token) -> Result<(), Stopped> {
    let args: Args = serde_json::from_str(&job.args).map_err(|error| Stopped::Nonsense(error.to_string()))?;
    let sql = "SELECT id, seq, kind, v, occurred_at, actor_id, event_id, data FROM domain_event WHERE id = $1 AND seq IS NOT NULL";
    let row: Option<Row> = db::one(ctx.db.read(), sql, [args.domain_event.into()]).await?;
    let domain_event = row.ok_or_else(|| Stopped::Nonsense("the domain event no longer exists".into()))?;
    let domain_event = domain_event.read().map_err(|error| match error {
        UnreadableDomainEvent::Newer => Stopped::Newer,
        UnreadableDomainEvent::Damaged(_) => Stopped::Nonsense(error.to_string()),
    })?;
    let mut after: Option<UserId> = job.progress.as_deref().and_then(|text| serde_json::from_str(text).ok());
    while !stop.is_cancelled() {
        let (heads, last) = chunk(ctx, job, token, &domain_event, args, after).await?;
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
    job: &Job,
    token: Token,
    domain_event: &Recorded,
    args: Args,
    after: Option<UserId>,
) -> Result<(Vec<(UserId, i64)>, Option<UserId>), DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let customers = audience::customers(&tx, args.event, args.customers, after, audience::CHUNK).await?;
            let Some(last) = customers.last().map(|customer| customer.user) else { return Ok((Vec::new(), None)) };
            let progress = serde_json::json!(last).to_string();
            if !claim::advance(&tx, job.id, token, &progress).await? {
                return Ok((Vec::new(), None));
            }
            let notices: Vec<NewNotice> = customers
                .iter()
                .map(|customer| NewNotice {
                    booking: customer.booking,
                    event: Some(args.event),
                    ..NewNotice::of(domain_event, customer.user, args.kind, Audience::Customer)
                })
                .collect();
            let heads = inbox::write(&tx, &notices, ctx.now()).await?;
            db::notify(&tx, crate::relay::CHANNEL, "").await?;
            Ok((heads, Some(last)))
        })
        .await
}
