//! Joining and leaving the line by itself, without booking.
//! Not here: the remainder of a booking, which joins in `place`, and serving the line (`allocate`).

use sea_orm::EntityTrait;

use super::allocate::{Waiting, allocate, queue};
use super::settle::{Leaving, Ledger};
use super::{Error, PLACES_MAX, floor};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{DbError, Lane, MaybeDb, is_unique_violation};
use crate::entity::waitlist_entry;
use crate::id::{EntryId, EventId, TicketTypeId};
use crate::idempotency::{self, Key, Recall};
use crate::status::{EventStatus, LeaveReason, WaitlistStatus};
use crate::text::Invalid;

/// The name idempotency keys of joining are kept under.
const OPERATION: &str = "joinWaitlist";

/// A wish to wait.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Join {
    /// For which event.
    pub event: EventId,
    /// For which kind of place; may be left out when there is one.
    pub kind: Option<TicketTypeId>,
    /// How many places.
    pub quantity: i64,
    /// Whether fewer will do for now; the rest keeps waiting.
    pub accepts_part: bool,
}

/// Joins the line. Refused while there are places to book, however few, or when one waits already.
pub async fn join(ctx: &Ctx, join: Join, key: Option<String>) -> Result<EntryId, Error> {
    ctx.allow(Action::BookPlaces)?;
    let user = ctx.actor.user_id().ok_or(Denied::SignIn)?;
    if !(1..=PLACES_MAX).contains(&join.quantity) {
        return Err(Invalid::new("quantity", format!("must be between 1 and {PLACES_MAX}")).into());
    }
    if key.as_deref().is_some_and(|key| !idempotency::is_valid_key(key)) {
        return Err(Invalid::new("idempotencyKey", "must be 1 to 255 visible ASCII characters").into());
    }
    let fingerprint = idempotency::fingerprint(&join);
    let (join, key, fingerprint) = (&join, &key, &fingerprint);
    let enter = || {
        ctx.db.write(Lane::Interactive, |tx| async move {
            let mut floors = floor::lock(&tx, &[join.event], &[(user, join.event)], ctx.now()).await?;
            if let Some(key) = key {
                let asked = Key { user_id: user, key: key.clone() };
                if let Some(stored) = idempotency::look_up(&tx, &[asked]).await?.first() {
                    return match stored.recall(OPERATION, fingerprint) {
                        Recall::Same(entry) => Ok(entry),
                        Recall::Reused => Err(Error::KeyReused),
                    };
                }
            }
            let before = floors.remove(&join.event).ok_or(Error::EventNotFound)?;
            match before.status {
                EventStatus::Draft => return Err(Error::EventNotFound),
                EventStatus::Cancelled | EventStatus::Archived => return Err(Error::NotOnSale(before.status)),
                EventStatus::Published if before.begun => return Err(Error::EventOver),
                EventStatus::Published => {}
            }
            let kind = match (join.kind, before.kinds.as_slice()) {
                (Some(id), _) => before.kind(id).copied(),
                (None, [only]) => Some(*only),
                (None, _) => None,
            };
            let kind = kind.ok_or_else(|| Invalid::new("ticketTypeId", "name a ticket type of this event"))?;
            if before.open.contains_key(&(user, kind.id)) {
                return Err(Error::AlreadyWaiting);
            }
            let mut allocation = allocate(before.clone(), &[]);
            let pool = allocation.floor.pools.iter().find(|pool| pool.id == kind.quota).ok_or(Error::Internal)?;
            if join.quantity > pool.capacity {
                let message = format!("the event has only {} places", pool.capacity);
                return Err(Invalid::new("quantity", message).into());
            }
            let available = pool.free_for_newcomers();
            // Whatever is wanted: who waits for more than is free would keep everybody else from what is.
            if available > 0 {
                return Err(Error::PlacesAvailable { available });
            }
            let joining = Waiting {
                entry: ctx.id(),
                user,
                kind: kind.id,
                quantity: join.quantity,
                accepts_part: join.accepts_part,
                line_no: 0, // given by the line
            };
            let queued = queue(&mut allocation.floor, joining).ok_or(Error::Internal)?;
            let mut ledger = Ledger::new(ctx);
            ledger.promote(&allocation.floor, &allocation.promotions);
            let entry = ledger.queue(&allocation.floor, user, &queued);
            if let Some(key) = key {
                let now = ledger.now();
                ledger.answer(idempotency::answer(user, key.clone(), OPERATION, fingerprint.clone(), &entry, now));
            }
            ledger.count(&before, &allocation.floor, true);
            ledger.write(&tx).await?;
            Ok(entry)
        })
    };
    match enter().await {
        // The key was taken at another event meanwhile: look again.
        Err(error) if error.db().is_some_and(is_unique_violation) => enter().await,
        outcome => outcome,
    }
}

/// Leaves the line; who stands behind may be served at once.
pub async fn leave(ctx: &Ctx, id: EntryId) -> Result<EntryId, Error> {
    ctx.allow(Action::BookPlaces)?;
    let user = ctx.actor.user_id().ok_or(Denied::SignIn)?;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            let find = || waitlist_entry::Entity::find_by_id(id);
            let found = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::EntryNotFound)?;
            match ctx.allow(Action::OwnThingOf(found.user_id)) {
                Ok(()) => {}
                Err(Denied::Hidden) => return Err(Error::EntryNotFound),
                Err(denied) => return Err(denied.into()),
            }
            let mut floors = floor::lock(&tx, &[found.event_id], &[], ctx.now()).await?;
            let before = floors.remove(&found.event_id).ok_or(Error::EntryNotFound)?;
            // Read again: until the lock was ours, the line may have served it.
            let entry = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::EntryNotFound)?;
            if entry.status != WaitlistStatus::Waiting {
                return Err(Error::NotWaiting);
            }
            let mut without = before.clone();
            let mut ledger = Ledger::new(ctx);
            let leaving = Leaving { entry: id, user, quantity: entry.quantity, reason: LeaveReason::Left };
            ledger.leave(&before, &[leaving], Some(user));
            for pool in without.pools.iter_mut().filter(|pool| pool.id == entry.quota_id) {
                pool.line.retain(|waiting| waiting.entry != id);
            }
            let allocation = allocate(without, &[]);
            ledger.promote(&allocation.floor, &allocation.promotions);
            ledger.count(&before, &allocation.floor, true);
            ledger.write(&tx).await?;
            Ok(id)
        })
        .await
}
