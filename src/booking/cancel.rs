//! Cancelling a booking: its tickets go to the waitlist in the same transaction.
//! Not here: calling a whole event off (`call_off`).

use std::collections::HashSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::allocate::allocate;
use super::change_set::{Cancellation, ChangeSet};
use super::{Error, inventory};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{DbError, Priority};
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

/// Cancels a booking for its customer, its organizer or an admin.
pub async fn cancel(ctx: &Ctx, id: BookingId) -> Result<Cancelled, Error> {
    ctx.allow(Action::CancelBooking)?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let find = || booking::Entity::find_by_id(id);
            let found = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::BookingNotFound)?;
            let now = ctx.now();
            let users = [(found.user_id, found.event_id)];
            let mut inventories = inventory::lock(&tx, &[found.event_id], &users, now).await?;
            let before = inventories.remove(&found.event_id).ok_or(Error::BookingNotFound)?;
            match ctx.allow(Action::CancelBookingOf { customer: found.user_id, organizer: before.organizer }) {
                Ok(()) => {}
                Err(Denied::Hidden) => return Err(Error::BookingNotFound),
                Err(denied) => return Err(denied.into()),
            }
            // Read again: another request may have cancelled the booking before this one got the lock.
            let booking = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::BookingNotFound)?;
            if !booking.status.is_live() {
                return Err(Error::AlreadyCancelled);
            }
            if before.begun {
                return Err(Error::EventOver);
            }
            let query = booking_item::Entity::find().filter(booking_item::Column::BookingId.eq(id));
            let items = query.all(&tx).await.map_err(DbError::from)?;

            let mut freed = before.clone();
            let mut quotas = Vec::new();
            for item in &items {
                let Some(quota) = freed.quota_of(item.ticket_type_id) else { continue };
                match booking.status {
                    BookingStatus::Confirmed => quota.sold -= item.quantity,
                    _ => quota.held -= item.quantity,
                }
                quotas.push(quota.id);
            }
            // A customer who returns tickets does not get them back through an own entry: other entries in turn come
            // first.
            let own: HashSet<EntryId> =
                before.waits.values().flatten().filter(|own| own.terms == before.terms).map(|own| own.entry).collect();
            for quota in freed.quotas.iter_mut().filter(|quota| quotas.contains(&quota.id) && quota.waiting > 0) {
                inventory::read_waitlist(&tx, quota, before.terms, inventory::SERVED_MAX + own.len() as i64).await?;
                quota.waitlist.retain(|waiting| !own.contains(&waiting.entry));
            }
            let by_customer = ctx.actor.user_id() == Some(booking.user_id);
            let cancellation = Cancellation {
                booking: id,
                user: booking.user_id,
                quantity: items.iter().map(|item| item.quantity).sum(),
                reason: if by_customer { CancelReason::ByCustomer } else { CancelReason::ByOrganizer },
            };
            let allocation = allocate(freed, &[]);
            let mut change_set = ChangeSet::new(ctx);
            change_set.cancel(&before, &[cancellation], ctx.actor.user_id());
            change_set.promote(&allocation.inventory, &allocation.promotions);
            let mut passed_over = Vec::new();
            for (ticket_type, waiting) in
                before.waits.iter().flat_map(|((_, ticket_type), own)| own.iter().map(move |own| (ticket_type, own)))
            {
                let Some(quota) = before.ticket_type(*ticket_type).map(|ticket_type| ticket_type.quota) else {
                    continue;
                };
                if !quotas.contains(&quota) || !own.contains(&waiting.entry) {
                    continue;
                }
                passed_over.push(waiting.entry);
                // If some tickets are left, the own entry is set aside until they are sold.
                if allocation.inventory.quotas.iter().any(|one| one.id == quota && one.free() > 0) {
                    change_set.set_aside(waiting.entry);
                }
            }
            change_set.count(&before, &allocation.inventory, true);
            change_set.write(&tx).await?;
            Ok(Cancelled { booking: id, event: before.event, passed_over })
        })
        .await
}
