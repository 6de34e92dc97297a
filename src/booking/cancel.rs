//! Cancelling a booking: its places go to the line in the same transaction.
//! Not here: calling a whole event off (`call_off`).

use std::collections::HashSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::allocate::allocate;
use super::settle::{Cancellation, Ledger};
use super::{Error, floor};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{DbError, Lane};
use crate::entity::{booking, booking_item};
use crate::id::{BookingId, EntryId, EventId};
use crate::status::{BookingStatus, CancelReason};

/// A booking that was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// The booking.
    pub booking: BookingId,
    /// Its event.
    pub event: EventId,
    /// The customer's own entries that were not served with the places given back.
    pub passed_over: Vec<EntryId>,
}

/// Cancels a booking for its customer, its organizer or an admin.
pub async fn cancel(ctx: &Ctx, id: BookingId) -> Result<Cancelled, Error> {
    ctx.allow(Action::CancelBooking)?;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            let find = || booking::Entity::find_by_id(id);
            let found = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::BookingNotFound)?;
            let now = ctx.now();
            let users = [(found.user_id, found.event_id)];
            let mut floors = floor::lock(&tx, &[found.event_id], &users, now).await?;
            let before = floors.remove(&found.event_id).ok_or(Error::BookingNotFound)?;
            match ctx.allow(Action::CancelBookingOf { customer: found.user_id, organizer: before.organizer }) {
                Ok(()) => {}
                Err(Denied::Hidden) => return Err(Error::BookingNotFound),
                Err(denied) => return Err(denied.into()),
            }
            // Read again: until the lock was ours, somebody else may have cancelled it.
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
                let Some(pool) = freed.pool_of(item.ticket_type_id) else { continue };
                match booking.status {
                    BookingStatus::Confirmed => pool.sold -= item.quantity,
                    _ => pool.held -= item.quantity,
                }
                quotas.push(pool.id);
            }
            // Who gives places back is not given the same ones again by an entry of their own: others in turn are.
            let own: HashSet<EntryId> =
                before.waits.values().flatten().filter(|own| own.terms == before.terms).map(|own| own.entry).collect();
            for pool in freed.pools.iter_mut().filter(|pool| quotas.contains(&pool.id) && pool.waiting > 0) {
                floor::read_line(&tx, pool, before.terms, floor::SERVED_MAX + own.len() as i64).await?;
                pool.line.retain(|waiting| !own.contains(&waiting.entry));
            }
            let by_customer = ctx.actor.user_id() == Some(booking.user_id);
            let cancellation = Cancellation {
                booking: id,
                user: booking.user_id,
                quantity: items.iter().map(|item| item.quantity).sum(),
                reason: if by_customer { CancelReason::ByCustomer } else { CancelReason::ByOrganizer },
            };
            let allocation = allocate(freed, &[]);
            let mut ledger = Ledger::new(ctx);
            ledger.cancel(&before, &[cancellation], ctx.actor.user_id());
            ledger.promote(&allocation.floor, &allocation.promotions);
            let mut passed_over = Vec::new();
            for (kind, waiting) in
                before.waits.iter().flat_map(|((_, kind), own)| own.iter().map(move |own| (kind, own)))
            {
                let Some(quota) = before.kind(*kind).map(|kind| kind.quota) else { continue };
                if !quotas.contains(&quota) || !own.contains(&waiting.entry) {
                    continue;
                }
                passed_over.push(waiting.entry);
                // Where some are left, until they are sold.
                if allocation.floor.pools.iter().any(|pool| pool.id == quota && pool.free() > 0) {
                    ledger.set_aside(waiting.entry);
                }
            }
            ledger.count(&before, &allocation.floor, true);
            ledger.write(&tx).await?;
            Ok(Cancelled { booking: id, event: before.event, passed_over })
        })
        .await
}
