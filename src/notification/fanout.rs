//! Fan-out: telling a large audience, a thousand at a time, from a durable cursor.
//! Not here: small audiences; the reaction writes those itself.
//!
//! Each chunk is one transaction: notices, deliveries, cursor, fenced by the lease. Killed between chunks, it goes on at
//! the cursor; in the middle of one, that chunk rolls back.

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

/// The kind of job.
pub const KIND: &str = "fanout";

/// What a fan-out is about.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Args {
    domain_event: DomainEventId,
    event: EventId,
    customers: Customers,
}

/// The job that tells these customers of a domain event.
pub fn job(domain_event: &Recorded, event: EventId, customers: Customers, now: crate::clock::Timestamp) -> NewJob {
    let args = serde_json::json!({ "domain_event": domain_event.id, "event": event, "customers": customers });
    NewJob::new(Queue::Notifications, KIND, &args, now).because_of(domain_event.id).once(domain_event.id.to_string())
}

/// Works fan-outs off, until `stop`.
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
    let domain_event = row.ok_or_else(|| Stopped::Nonsense("the domain_event is gone".into()))?;
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

/// Tells the next thousand. Returns where it got to; `None`: everybody was told, or the job is no longer ours.
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
                    user: customer.user,
                    domain_event_id: domain_event.id,
                    booking: customer.booking,
                    event: Some(args.event),
                    domain_event: domain_event.domain_event.clone(),
                    at: domain_event.occurred_at,
                })
                .collect();
            let heads = inbox::write(&tx, &notices, ctx.now()).await?;
            db::notify(&tx, crate::relay::CHANNEL, "").await?;
            Ok((heads, Some(last)))
        })
        .await
}
