//! Delivery of notices on channels other than the app; for now the log, with stable lines.
//! Not here: the app itself, which already has the notice.
//!
//! The job completes together with its `delivery` row, so each message is recorded once. The log line itself may be
//! repeated if the process dies between writing it and committing.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::FromQueryResult;

use super::inbox::{Deliver, LOG};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, record};
use crate::domain_event::DomainEvent;
use crate::id::{DomainEventId, EventId, NodeId, UserId};
use crate::queue::claim::Job;
use crate::queue::registry::{Effects, Handled, Outcome, RunBatch};
use crate::status::NoticeKind;

/// Destination of messages.
#[derive(Clone, Default)]
pub enum Channel {
    /// Lines in the log.
    #[default]
    Log,
    /// No destination; each message counts as sent. For generated data.
    Quiet,
    /// Lines in the log, but sending to these recipients fails; for tests of isolation and retries.
    Failing(Arc<dyn Fn(UserId) -> bool + Send + Sync>),
}

record! {
    struct Key {
        domain_event_id: DomainEventId,
        user_id: UserId,
    }
}

record! {
    struct DeliveryRow {
        domain_event_id: DomainEventId,
        user_id: UserId,
        channel: &'static str,
        state: &'static str,
        attempts: i64,
        delivered_at: Timestamp,
    }
}

/// Notice with the values its log line shows.
#[derive(Debug, Clone, FromQueryResult)]
struct Message {
    domain_event_id: DomainEventId,
    user_id: UserId,
    kind: String,
    cause: String,
    v: i64,
    event_id: Option<EventId>,
    reference: Option<String>,
    seats: i64,
}

/// Handler that delivers notices.
pub struct Delivery {
    /// Context that acts as the service.
    pub ctx: Ctx,
    /// Destination of the messages.
    pub channel: Channel,
}

impl RunBatch for Delivery {
    type Kind = Deliver;

    async fn run_batch(&self, jobs: Vec<(Deliver, Job)>) -> Handled {
        match deliver(&self.ctx, &self.channel, &jobs).await {
            Ok(handled) => handled,
            Err(error) => Handled::all(jobs.iter().map(|(_, job)| job), &Outcome::of(&error)),
        }
    }
}

async fn deliver(ctx: &Ctx, channel: &Channel, jobs: &[(Deliver, Job)]) -> Result<Handled, DbError> {
    let messages = load(ctx, jobs.iter().map(|(args, _)| args)).await?;
    let mut outcomes = HashMap::new();
    let mut rows = HashMap::new();
    for (args, job) in jobs {
        let message = messages.get(&(args.domain_event, args.user));
        let outcome = match message {
            // A later release may have a channel that this one lacks.
            _ if args.channel != LOG => Outcome::newer(),
            None => Outcome::GiveUp("there is no such notice".into()),
            // A later release may have written it, in a form that this one cannot read.
            Some(message) if !is_known(message) => Outcome::newer(),
            Some(message) => send(channel, message),
        };
        if let (Outcome::Done, Some(message)) = (&outcome, message) {
            let row = DeliveryRow {
                domain_event_id: message.domain_event_id,
                user_id: message.user_id,
                channel: LOG,
                state: "sent",
                attempts: job.attempt,
                delivered_at: ctx.now(),
            };
            rows.insert(job.id, row);
        }
        outcomes.insert(job.id, outcome);
    }
    let effects: Effects = Arc::new(move |tx, ours| {
        let rows: Vec<DeliveryRow> = ours.iter().filter_map(|id| rows.get(id).cloned()).collect();
        Box::pin(async move {
            db::insert(&tx, "delivery", &rows, "ON CONFLICT (domain_event_id, user_id, channel) DO NOTHING").await?;
            Ok(())
        })
    });
    Ok(Handled { outcomes, effects: Some(effects) })
}

/// Returns true if this release has words for a notice.
fn is_known(message: &Message) -> bool {
    DomainEvent::is_known(&message.cause, message.v) && NoticeKind::of(&message.kind).is_some()
}

async fn load(
    ctx: &Ctx,
    wanted: impl Iterator<Item = &Deliver>,
) -> Result<HashMap<(DomainEventId, UserId), Message>, DbError> {
    let keys: Vec<Key> = wanted.map(|args| Key { domain_event_id: args.domain_event, user_id: args.user }).collect();
    let sql = "SELECT n.domain_event_id, n.user_id, n.kind, n.cause, n.v, n.event_id, b.reference,
               CAST(COALESCE((SELECT SUM(i.quantity) FROM booking_item i WHERE i.booking_id = b.id), 0) AS bigint) AS seats
               FROM {records} JOIN notice n ON n.domain_event_id = r.domain_event_id AND n.user_id = r.user_id
               LEFT JOIN booking b ON b.id = n.booking_id";
    let rows: Vec<Message> = db::select_by(ctx.db.read(), sql, &keys, []).await?;
    Ok(rows.into_iter().map(|row| ((row.domain_event_id, row.user_id), row)).collect())
}

/// Writes one line per domain event and recipient.
fn send(channel: &Channel, message: &Message) -> Outcome {
    match channel {
        Channel::Failing(fails) if fails(message.user_id) => {
            return Outcome::Retry("the recipient cannot be reached".into());
        }
        Channel::Quiet => return Outcome::Done,
        Channel::Failing(_) | Channel::Log => {}
    }
    let user = message.user_id.to_global_id();
    let reference = message.reference.as_deref().unwrap_or("-");
    let is_confirmation = [NoticeKind::BookingConfirmed, NoticeKind::WaitlistPromoted];
    if is_confirmation.iter().any(|kind| kind.word() == message.kind) {
        let event = message.event_id.map(NodeId::to_global_id).unwrap_or_default();
        tracing::info!(target: "boxoffice::notification", ref = %reference, seats = message.seats, customer = %user, event = %event, "booking confirmed");
    } else {
        tracing::info!(target: "boxoffice::notification", kind = %message.cause, ref = %reference, user = %user, channel = %"log", "notified");
    }
    Outcome::Done
}
