//! Changing the number of tickets of an event; new tickets go to the waitlist first.
//! Not here: everything else about an event (`event::edit`).

use super::allocate::allocate;
use super::change_set::ChangeSet;
use super::inventory::{self, Part};
use super::{Error, change_set::back_in_turn};
use crate::access::Action;
use crate::ctx::Ctx;
use crate::db::Priority;
use crate::event;
use crate::id::EventId;
use crate::status::EventStatus;
use crate::text::Invalid;

/// Sets the capacity of an event with one quota; never below the tickets sold or held.
#[tracing::instrument(level = "debug", skip_all, fields(event = %id))]
pub async fn set_capacity(ctx: &Ctx, id: EventId, capacity: i64) -> Result<EventId, Error> {
    ctx.allow(Action::ManageEvents)?;
    event::capacity(capacity)?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let mut inventories = inventory::lock(&tx, &[Part::Whole(id)], &[], ctx.now()).await?;
            let before = inventories.remove(&id).ok_or(Error::EventNotFound)?;
            ctx.require(Action::ManageEventOf(before.organizer), Error::EventNotFound)?;
            match before.status {
                EventStatus::Draft => {}
                EventStatus::Published if before.has_begun() => return Err(Error::EventOver),
                EventStatus::Published => {}
                EventStatus::Cancelled | EventStatus::Archived => return Err(Error::NotOnSale(before.status)),
            }
            let mut changed = before.clone();
            let [quota] = changed.quotas.as_mut_slice() else {
                return Err(Invalid::new("capacity", "this event has several quotas: change one of them").into());
            };
            let taken = quota.sold + quota.held;
            if capacity < taken {
                return Err(Error::CapacityBelowTaken { taken });
            }
            if capacity > quota.capacity {
                // These are new tickets, not returned ones, so entries that were set aside are in turn again.
                back_in_turn(&tx, quota.id, before.terms).await?;
            }
            quota.capacity = capacity;
            let quota = quota.id;
            // Read again even if no entry seemed to be in turn: an entry for more tickets than there were may fit now.
            // Of a long waitlist the change set leaves the rest to a job; until then the free tickets belong to the
            // waitlist.
            inventory::read_waitlist(&tx, &mut changed, quota, inventory::SERVED_MAX).await?;
            let allocation = allocate(changed, &[]);
            let mut change_set = ChangeSet::new(ctx);
            change_set.promote(&allocation.inventory, &allocation.promotions);
            change_set.count(&before, &allocation.inventory, !allocation.promotions.is_empty());
            change_set.write(&tx).await?;
            Ok(id)
        })
        .await
}
