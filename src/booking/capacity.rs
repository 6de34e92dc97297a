//! Changing how many places an event has; new places go to the line first.
//! Not here: everything else about an event (`event::edit`).

use super::allocate::allocate;
use super::settle::Ledger;
use super::{Error, floor, settle::back_in_turn};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::Lane;
use crate::event;
use crate::id::EventId;
use crate::status::EventStatus;
use crate::text::Invalid;

/// Sets the capacity of an event with one quota; never below what is sold or held.
pub async fn set_capacity(ctx: &Ctx, id: EventId, capacity: i64) -> Result<EventId, Error> {
    ctx.allow(Action::RunEvents)?;
    event::capacity(capacity)?;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            let mut floors = floor::lock(&tx, &[id], &[], ctx.now()).await?;
            let before = floors.remove(&id).ok_or(Error::EventNotFound)?;
            match ctx.allow(Action::ManageEventOf(before.organizer)) {
                Ok(()) => {}
                Err(Denied::Hidden) => return Err(Error::EventNotFound),
                Err(denied) => return Err(denied.into()),
            }
            match before.status {
                EventStatus::Draft => {}
                EventStatus::Published if before.begun => return Err(Error::EventOver),
                EventStatus::Published => {}
                EventStatus::Cancelled | EventStatus::Archived => return Err(Error::NotOnSale(before.status)),
            }
            let mut changed = before.clone();
            let [pool] = changed.pools.as_mut_slice() else {
                return Err(Invalid::new("capacity", "this event has several quotas: change one of them").into());
            };
            let taken = pool.sold + pool.held;
            if capacity < taken {
                return Err(Error::CapacityBelowTaken { taken });
            }
            if capacity > pool.capacity {
                // New places: not those that were given back.
                back_in_turn(&tx, pool.id, before.terms).await?;
            }
            pool.capacity = capacity;
            // Anew, also where nobody seemed to wait: who wanted more than there was may fit now. What one transaction
            // does not serve of a long line, the ledger leaves to a job; until then the free places belong to the line.
            floor::read_line(&tx, pool, before.terms, floor::SERVED_MAX).await?;
            let allocation = allocate(changed, &[]);
            let mut ledger = Ledger::new(ctx);
            ledger.promote(&allocation.floor, &allocation.promotions);
            ledger.count(&before, &allocation.floor, !allocation.promotions.is_empty());
            ledger.write(&tx).await?;
            Ok(id)
        })
        .await
}
