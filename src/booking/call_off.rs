//! Calling an event off: its status changes at once; its bookings and its waitlist end in chunks that any process can
//! resume.
//! Not here: notices to the customers, which follow from the domain event.

use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::change_set::{Cancellation, ChangeSet, Leaving};
use super::chunks::InChunks;
use super::inventory::{self, Part};
use crate::access::Action;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::domain_event::DomainEvent;
use crate::event::{self, store};
use crate::id::{BookingId, DomainEventId, EntryId, EventId, QuotaId, UserId};
use crate::outbox::{self, Draft};
use crate::queue::claim::{self, Held};
use crate::queue::{JobKind, NewJob};
use crate::status::{BookingStatus, CancelReason, EventStatus, LeaveReason};

/// The most bookings or entries one transaction ends: a few milliseconds of the writer.
const CHUNK: i64 = 200;

/// Calls a published event off that is not over. From the commit on it cannot be booked; see [`chunk`] for the rest.
#[tracing::instrument(level = "debug", skip_all, fields(event = %id))]
pub async fn call_off(ctx: &Ctx, id: EventId) -> Result<EventId, event::Error> {
    ctx.allow(Action::ManageEvents)?;
    let domain_event_id: DomainEventId = ctx.id();
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            // Lock of the stock: a concurrent booking either committed before this or sees the new status.
            let mut inventories = inventory::lock(&tx, &[Part::Any(id)], &[], ctx.now()).await?;
            let before = inventories.remove(&id).ok_or(event::Error::NotFound)?;
            // Lock of the event as well, because archiving does not lock the stock.
            let event = event::may_manage(ctx, store::lock(&tx, id).await?)?;
            if !event.status.may_become(EventStatus::Cancelled) {
                return Err(event::Error::InvalidTransition(event.status));
            }
            if event.ends_at <= ctx.now() {
                return Err(event::Error::Over);
            }
            store::change_status(&tx, id, event.status, EventStatus::Cancelled, ctx.now()).await?;
            let domain_event = DomainEvent::EventCancelled { event: id, organizer: event.organizer_id };
            outbox::append(&tx, &[Draft { id: domain_event_id, ..Draft::new(ctx, domain_event) }]).await?;
            let mut change_set = ChangeSet::new(ctx);
            change_set.count(&before, &before, true);
            change_set.write(&tx).await?;
            Ok(id)
        })
        .await
}

#[derive(Debug, FromQueryResult)]
struct Live {
    id: BookingId,
    user_id: UserId,
    status: BookingStatus,
}

#[derive(Debug, FromQueryResult)]
struct Tickets {
    booking_id: BookingId,
    quota_id: QuotaId,
    quantity: i64,
}

#[derive(Debug, FromQueryResult)]
struct Entry {
    id: EntryId,
    user_id: UserId,
    quota_id: QuotaId,
    quantity: i64,
}

db::record! {
    struct Id {
        id: BookingId,
    }
}

/// Ends the next bookings or entries of a cancelled event. Returns true if there may be more. Each chunk is committed,
/// so a killed process loses nothing and another one continues. Advances the cursor of the `held` job; if another
/// process holds the job by now, nothing is done.
#[tracing::instrument(level = "debug", skip_all, fields(event = %id))]
pub async fn chunk(ctx: &Ctx, id: EventId, held: Option<Held>) -> Result<bool, DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let mut inventories = inventory::lock(&tx, &[Part::Whole(id)], &[], ctx.now()).await?;
            let Some(before) = inventories.remove(&id) else { return Ok(false) };
            if before.status != EventStatus::Cancelled {
                return Ok(false);
            }
            let mut after = before.clone();
            let mut change_set = ChangeSet::new(ctx);
            let bookings = next_bookings(&tx, id).await?;
            let tickets = tickets(&tx, &bookings).await?;
            for part in &tickets {
                let confirmed = bookings
                    .iter()
                    .any(|booking| booking.id == part.booking_id && booking.status == BookingStatus::Confirmed);
                for quota in after.quotas.iter_mut().filter(|one| one.id == part.quota_id) {
                    match confirmed {
                        true => quota.sold -= part.quantity,
                        false => quota.held -= part.quantity,
                    }
                }
            }
            let cancellations: Vec<Cancellation> = bookings
                .iter()
                .map(|booking| Cancellation {
                    booking: booking.id,
                    user: booking.user_id,
                    quantity: tickets
                        .iter()
                        .filter(|part| part.booking_id == booking.id)
                        .map(|part| part.quantity)
                        .sum(),
                    reason: CancelReason::EventCancelled,
                })
                .collect();
            change_set.cancel(&before, &cancellations, None);

            // The waitlist closes after the last booking was cancelled.
            let waiting = if bookings.is_empty() { next_entries(&tx, id).await? } else { Vec::new() };
            let leavings: Vec<Leaving> = waiting
                .iter()
                .map(|entry| Leaving {
                    entry: entry.id,
                    user: entry.user_id,
                    quota: entry.quota_id,
                    quantity: entry.quantity,
                    reason: LeaveReason::EventCancelled,
                })
                .collect();
            change_set.leave(&mut after, &leavings, None);
            // The rows themselves show the progress; the cursor only shows an operator the present position.
            let at = bookings.last().map(|booking| booking.id.0).or(waiting.last().map(|entry| entry.id.0));
            let Some(at) = at else { return Ok(false) };
            if let Some(held) = held
                && !claim::advance(&tx, held, &serde_json::json!(at).to_string()).await?
            {
                return Ok(false);
            }
            change_set.count(&before, &after, true);
            change_set.write(&tx).await?;
            Ok(true)
        })
        .await
}

async fn next_bookings(tx: &Tx, event: EventId) -> Result<Vec<Live>, DbError> {
    let sql = "SELECT id, user_id, status FROM booking
               WHERE event_id = $1 AND status IN ('PENDING_APPROVAL', 'PENDING_PAYMENT', 'CONFIRMED')
               ORDER BY user_id, id LIMIT $2";
    db::all(tx, sql, [event.into(), CHUNK.into()]).await
}

async fn tickets(tx: &Tx, bookings: &[Live]) -> Result<Vec<Tickets>, DbError> {
    let ids: Vec<Id> = bookings.iter().map(|booking| Id { id: booking.id }).collect();
    let sql = "SELECT i.booking_id, t.quota_id, i.quantity FROM {records}
               JOIN booking_item i ON i.booking_id = r.id JOIN ticket_type t ON t.id = i.ticket_type_id";
    db::select_by(tx, sql, &ids, []).await
}

async fn next_entries(tx: &Tx, event: EventId) -> Result<Vec<Entry>, DbError> {
    let sql = "SELECT id, user_id, quota_id, quantity FROM waitlist_entry
               WHERE event_id = $1 AND status = 'WAITING' ORDER BY position_key LIMIT $2";
    db::all(tx, sql, [event.into(), CHUNK.into()]).await
}

/// Job that calls [`chunk`] until nothing is left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct CallOff {
    /// Event that was called off.
    pub event: EventId,
}

impl JobKind for CallOff {
    const KIND: &'static str = "call_off";
    const IS_LONG: bool = true;
}

/// Returns the job for an event that was called off.
pub fn job(domain_event: DomainEventId, event: EventId, now: Timestamp) -> NewJob {
    NewJob::new(&CallOff { event }, now).because_of(domain_event).once(event.to_string())
}

/// Returns the handler of these jobs; it stops between chunks once `stop` is cancelled.
pub fn handler(ctx: Ctx, stop: CancellationToken) -> InChunks<CallOff> {
    InChunks::new(ctx, stop, |ctx, args: CallOff, held| {
        Box::pin(async move { chunk(&ctx, args.event, Some(held)).await })
    })
}
