//! Cancelling a booking: its tickets go to the waitlist in the same transaction.
//! Not here: calling a whole event off (`call_off`).

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::Error;
use super::allocate::{Inventory, Waiting, allocate};
use super::change_set::{Cancellation, ChangeSet};
use super::inventory::{self, Part};
use crate::access::Action;
use crate::ctx::Ctx;
use crate::db::{DbError, Priority, Tx};
use crate::entity::{booking, booking_item};
use crate::id::{BookingId, EntryId, EventId};
use crate::status::{BookingStatus, CancelReason};

/// A booking that was cancelled, with the effect on its customer's own entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// Id of the cancelled booking.
    pub booking: BookingId,
    /// Event of the booking.
    pub event: EventId,
    /// The customer's own entries that were not given the returned tickets.
    pub passed_over: Vec<EntryId>,
}

/// Cancels a booking for its customer, its organizer or an admin, until its slot begins.
#[tracing::instrument(level = "debug", skip_all, fields(booking = %id))]
pub async fn cancel(ctx: &Ctx, id: BookingId) -> Result<Cancelled, Error> {
    ctx.allow(Action::CancelBooking)?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let find = || booking::Entity::find_by_id(id);
            let found = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::BookingNotFound)?;
            let query = booking_item::Entity::find().filter(booking_item::Column::BookingId.eq(id));
            let items = query.all(&tx).await.map_err(DbError::from)?;
            let parts: Vec<Part> = items.iter().map(|item| Part::Type(found.event_id, item.ticket_type_id)).collect();
            let users = [(found.user_id, found.event_id)];
            let mut inventories = inventory::lock(&tx, &parts, &users, ctx.now()).await?;
            let before = inventories.remove(&found.event_id).ok_or(Error::BookingNotFound)?;
            let action = Action::CancelBookingOf { customer: found.user_id, organizer: before.organizer };
            ctx.require(action, Error::BookingNotFound)?;
            // Read again: another request may have cancelled the booking before this one got the lock.
            let booking = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::BookingNotFound)?;
            if !booking.status.is_live() {
                return Err(Error::AlreadyCancelled);
            }
            if before.ticket_types.iter().any(|one| one.slot == booking.slot_id && one.begun) {
                return Err(Error::EventOver);
            }
            let returned = returned(&tx, &before, &booking, &items).await?;
            let by_customer = ctx.actor.user_id() == Some(booking.user_id);
            let cancellation = Cancellation {
                booking: id,
                user: booking.user_id,
                quantity: items.iter().map(|item| item.quantity).sum(),
                reason: if by_customer { CancelReason::ByCustomer } else { CancelReason::ByOrganizer },
            };
            let allocation = allocate(returned.inventory, &[]);
            let mut change_set = ChangeSet::new(ctx);
            change_set.cancel(&before, &[cancellation], ctx.actor.user_id());
            change_set.promote(&allocation.inventory, &allocation.promotions);
            // If some tickets are left, the own entry is set aside until they are sold.
            let is_left = |quota| allocation.inventory.quotas.iter().any(|one| one.id == quota && one.free() > 0);
            for own in returned.passed_over.iter().filter(|own| is_left(own.quota)) {
                change_set.set_aside(own.entry);
            }
            change_set.count(&before, &allocation.inventory, true);
            change_set.write(&tx).await?;
            let passed_over = returned.passed_over.iter().map(|own| own.entry).collect();
            Ok(Cancelled { booking: id, event: before.event, passed_over })
        })
        .await
}

/// Inventory with the tickets of a cancelled booking returned.
struct Returned {
    inventory: Inventory,
    /// The customer's own entries in turn for the returned tickets. They are not in the waitlists of the inventory: a
    /// customer who returns tickets does not get them back, other entries come first.
    passed_over: Vec<Waiting>,
}

async fn returned(
    tx: &Tx,
    before: &Inventory,
    booking: &booking::Model,
    items: &[booking_item::Model],
) -> Result<Returned, DbError> {
    let mut inventory = before.clone();
    let mut quotas = Vec::new();
    for item in items {
        let Some(quota) = inventory.quota_of(item.ticket_type_id) else { continue };
        match booking.status {
            BookingStatus::Confirmed => quota.sold -= item.quantity,
            _ => quota.held -= item.quantity,
        }
        quotas.push(quota.id);
    }
    let is_own = |own: &&Waiting| own.terms == before.terms && quotas.contains(&own.quota);
    let passed_over: Vec<Waiting> = before.waits.values().flatten().filter(is_own).copied().collect();
    let most = inventory::SERVED_MAX + passed_over.len() as i64;
    for id in inventory.quotas_where(|quota| quotas.contains(&quota.id) && quota.waiting > 0) {
        inventory::read_waitlist(tx, &mut inventory, id, most).await?;
        let Some(quota) = inventory.quota_mut(id) else { continue };
        quota.waitlist.retain(|waiting| passed_over.iter().all(|own| own.entry != waiting.entry));
    }
    Ok(Returned { inventory, passed_over })
}
