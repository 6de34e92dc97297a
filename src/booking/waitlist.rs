//! Joining, confirming and leaving the line by itself, without booking.
//! Not here: the remainder of a booking, which joins in `place`, and serving the line (`allocate`).

use sea_orm::EntityTrait;

use super::allocate::{Floor, Joining, allocate, queue};
use super::settle::{Leaving, Ledger, agree};
use super::{Error, PLACES_MAX, floor};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{DbError, Lane, MaybeDb, Tx, is_unique_violation};
use crate::entity::waitlist_entry;
use crate::id::{EntryId, EventId, TicketTypeId};
use crate::idempotency::{self, Key, Recall};
use crate::status::{EventStatus, LeaveReason, WaitlistStatus};
use crate::text::{Fields, Invalid};

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
    let mut fields = Fields::default();
    if !(1..=PLACES_MAX).contains(&join.quantity) {
        fields.refuse("quantity", format!("must be between 1 and {PLACES_MAX}"));
    }
    if key.as_deref().is_some_and(|key| !idempotency::is_valid_key(key)) {
        fields.refuse("idempotencyKey", "must be 1 to 255 visible ASCII characters");
    }
    fields.finish(|| Some(()))?;
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
            must_be_on_sale(&before)?;
            let kind = match (join.kind, before.kinds.as_slice()) {
                (Some(id), _) => before.kind(id).copied(),
                (None, [only]) => Some(*only),
                (None, _) => None,
            };
            let kind = kind.ok_or_else(|| Invalid::new("ticketTypeId", "name a ticket type of this event"))?;
            let own = before.waits.get(&(user, kind.id)).map_or(&[] as &[_], Vec::as_slice);
            if own.iter().any(|own| own.terms == before.terms) {
                return Err(Error::AlreadyWaiting);
            }
            if let Some(first) = own.first() {
                // Joining again says yes to the event as it is now.
                let entries: Vec<EntryId> = own.iter().map(|own| own.entry).collect();
                let mut ledger = Ledger::new(ctx);
                if let Some(key) = key {
                    let (now, entry) = (ledger.now(), &first.entry);
                    ledger.answer(idempotency::answer(user, key.clone(), OPERATION, fingerprint.clone(), entry, now));
                }
                put_in_turn(&tx, &before, ledger, &entries).await?;
                return Ok(first.entry);
            }
            let mut allocation = allocate(before.clone(), &[]);
            let pool = allocation.floor.pools.iter().find(|pool| pool.id == kind.quota).ok_or(Error::Internal)?;
            if join.quantity > pool.capacity {
                let message = format!("the event has only {} places", pool.capacity);
                return Err(Invalid::new("quantity", message).into());
            }
            let available = pool.open();
            // Whatever is wanted: who waits for more than is free would keep everybody else from what is.
            if available > 0 {
                return Err(Error::PlacesAvailable { available });
            }
            let joining = Joining {
                entry: ctx.id(),
                user,
                kind: kind.id,
                quantity: join.quantity,
                asked: join.quantity,
                accepts_part: join.accepts_part,
            };
            let queued = queue(&mut allocation.floor, joining).ok_or(Error::Internal)?;
            let mut ledger = Ledger::new(ctx);
            ledger.promote(&allocation.floor, &allocation.promotions);
            let entry = ledger.queue(&allocation.floor, &queued);
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

fn must_be_on_sale(floor: &Floor) -> Result<(), Error> {
    match floor.status {
        EventStatus::Draft => Err(Error::EventNotFound),
        EventStatus::Cancelled | EventStatus::Archived => Err(Error::NotOnSale(floor.status)),
        EventStatus::Published if floor.begun => Err(Error::EventOver),
        EventStatus::Published => Ok(()),
    }
}

/// Puts a user's own entries back in turn where they stand, and serves the line.
async fn put_in_turn(tx: &Tx, before: &Floor, mut ledger: Ledger, entries: &[EntryId]) -> Result<(), DbError> {
    agree(tx, entries, before.terms, ledger.now()).await?;
    let mut with = before.clone();
    for pool in with.pools.iter_mut().filter(|pool| pool.waiting > 0) {
        floor::read_line(tx, pool, before.terms, floor::SERVED_MAX).await?;
    }
    let allocation = allocate(with, &[]);
    ledger.promote(&allocation.floor, &allocation.promotions);
    ledger.count(before, &allocation.floor, true);
    ledger.write(tx).await
}

/// Says yes to an event that changed since the entry was made, or asks to be served at once with places given back: the
/// entry is in turn again, at the place it has. Nothing happens where it is in turn already.
pub async fn confirm(ctx: &Ctx, id: EntryId) -> Result<EntryId, Error> {
    ctx.allow(Action::BookPlaces)?;
    let user = ctx.actor.user_id().ok_or(Denied::SignIn)?;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            let found = own_entry(&tx, ctx, id).await?;
            let users = [(user, found.event_id)];
            let mut floors = floor::lock(&tx, &[found.event_id], &users, ctx.now()).await?;
            let before = floors.remove(&found.event_id).ok_or(Error::EntryNotFound)?;
            let entry = before.waits.values().flatten().find(|own| own.entry == id).ok_or(Error::NotWaiting)?;
            must_be_on_sale(&before)?;
            if entry.terms != before.terms {
                put_in_turn(&tx, &before, Ledger::new(ctx), &[id]).await?;
            }
            Ok(id)
        })
        .await
}

async fn own_entry(tx: &Tx, ctx: &Ctx, id: EntryId) -> Result<waitlist_entry::Model, Error> {
    let found = waitlist_entry::Entity::find_by_id(id).one(tx).await.map_err(DbError::from)?;
    let found = found.ok_or(Error::EntryNotFound)?;
    match ctx.allow(Action::OwnThingOf(found.user_id)) {
        Ok(()) => Ok(found),
        Err(Denied::Hidden) => Err(Error::EntryNotFound),
        Err(denied) => Err(denied.into()),
    }
}

/// Leaves the line; who stands behind may be served at once.
pub async fn leave(ctx: &Ctx, id: EntryId) -> Result<EntryId, Error> {
    ctx.allow(Action::BookPlaces)?;
    let user = ctx.actor.user_id().ok_or(Denied::SignIn)?;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            let found = own_entry(&tx, ctx, id).await?;
            let mut floors = floor::lock(&tx, &[found.event_id], &[], ctx.now()).await?;
            let before = floors.remove(&found.event_id).ok_or(Error::EntryNotFound)?;
            // Read again: until the lock was ours, the line may have served it.
            let entry = own_entry(&tx, ctx, id).await?;
            if entry.status != WaitlistStatus::Waiting {
                return Err(Error::NotWaiting);
            }
            let mut without = before.clone();
            let mut ledger = Ledger::new(ctx);
            let (quota, quantity) = (entry.quota_id, entry.quantity);
            let leaving = Leaving { entry: id, user, quota, quantity, reason: LeaveReason::Left };
            ledger.leave(&mut without, &[leaving], Some(user));
            let allocation = allocate(without, &[]);
            ledger.promote(&allocation.floor, &allocation.promotions);
            ledger.count(&before, &allocation.floor, true);
            ledger.write(&tx).await?;
            Ok(id)
        })
        .await
}
