//! Cancelling a booking: its places go to the line in the same transaction.
//! Not here: calling a whole event off (`call_off`).

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::allocate::allocate;
use super::settle::{Cancellation, Ledger};
use super::{Error, floor};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{DbError, Lane};
use crate::entity::{booking, booking_item};
use crate::id::BookingId;
use crate::status::{BookingStatus, CancelReason};

/// Cancels a booking for its customer, its organizer or an admin.
pub async fn cancel(ctx: &Ctx, id: BookingId) -> Result<BookingId, Error> {
    ctx.allow(Action::CancelBooking)?;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            let find = || booking::Entity::find_by_id(id);
            let found = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::BookingNotFound)?;
            let now = ctx.now();
            let mut floors = floor::lock(&tx, &[found.event_id], &[], now).await?;
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
            for item in &items {
                let Some(quota) = freed.kind(item.ticket_type_id).map(|kind| kind.quota) else { continue };
                for pool in freed.pools.iter_mut().filter(|pool| pool.id == quota) {
                    match booking.status {
                        BookingStatus::Confirmed => pool.sold -= item.quantity,
                        _ => pool.held -= item.quantity,
                    }
                    if !pool.line.is_empty() {
                        floor::read_line(&tx, pool, 0).await?;
                    }
                }
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
            ledger.count(&before, &allocation.floor, true);
            ledger.write(&tx).await?;
            Ok(id)
        })
        .await
}
