//! Joining, confirming and leaving the waitlist by itself, without booking.
//! Not here: the remainder of a booking, which joins in `place`, and serving the waitlist (`allocate`).

use sea_orm::EntityTrait;

use super::allocate::{Inventory, Joining, allocate, queue};
use super::change_set::{ChangeSet, Leaving, agree};
use super::{Error, PLACES_MAX, inventory};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{DbError, MaybeDb, Priority, Tx, is_unique_violation};
use crate::entity::waitlist_entry;
use crate::id::{EntryId, EventId, TicketTypeId};
use crate::idempotency::{self, Key, Recall};
use crate::status::{EventStatus, LeaveReason, WaitlistStatus};
use crate::text::{Fields, Invalid};

/// The name idempotency keys of joining are kept under.
const OPERATION: &str = "joinWaitlist";

/// A allocation request to wait.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Join {
    /// For which event.
    pub event: EventId,
    /// For which ticket type of place; may be left out when there is one.
    pub ticket_type: Option<TicketTypeId>,
    /// How many tickets.
    pub quantity: i64,
    /// Whether fewer will do for now; the rest keeps waiting.
    pub accepts_part: bool,
}

/// Joins the waitlist. Refused while there are tickets to book, however few, or when one waits already.
pub async fn join(ctx: &Ctx, join: Join, key: Option<String>) -> Result<EntryId, Error> {
    ctx.allow(Action::BookTickets)?;
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
        ctx.db.write(Priority::Interactive, |tx| async move {
            let mut inventories = inventory::lock(&tx, &[join.event], &[(user, join.event)], ctx.now()).await?;
            if let Some(key) = key {
                let asked = Key { user_id: user, key: key.clone() };
                if let Some(stored) = idempotency::look_up(&tx, &[asked]).await?.first() {
                    return match stored.recall(OPERATION, fingerprint) {
                        Recall::Same(entry) => Ok(entry),
                        Recall::Reused => Err(Error::KeyReused),
                    };
                }
            }
            let before = inventories.remove(&join.event).ok_or(Error::EventNotFound)?;
            must_be_on_sale(&before)?;
            let ticket_type = match (join.ticket_type, before.ticket_types.as_slice()) {
                (Some(id), _) => before.ticket_type(id).copied(),
                (None, [only]) => Some(*only),
                (None, _) => None,
            };
            let ticket_type =
                ticket_type.ok_or_else(|| Invalid::new("ticketTypeId", "name a ticket type of this event"))?;
            let own = before.waits.get(&(user, ticket_type.id)).map_or(&[] as &[_], Vec::as_slice);
            if own.iter().any(|own| own.terms == before.terms) {
                return Err(Error::AlreadyWaiting);
            }
            if let Some(first) = own.first() {
                // Joining again says yes to the event as it is now.
                let entries: Vec<EntryId> = own.iter().map(|own| own.entry).collect();
                let mut change_set = ChangeSet::new(ctx);
                if let Some(key) = key {
                    let (now, entry) = (change_set.now(), &first.entry);
                    change_set.answer(idempotency::answer(
                        user,
                        key.clone(),
                        OPERATION,
                        fingerprint.clone(),
                        entry,
                        now,
                    ));
                }
                put_in_turn(&tx, &before, change_set, &entries).await?;
                return Ok(first.entry);
            }
            let mut allocation = allocate(before.clone(), &[]);
            let quota =
                allocation.inventory.quotas.iter().find(|one| one.id == ticket_type.quota).ok_or(Error::Internal)?;
            if join.quantity > quota.capacity {
                let message = format!("the event has only {} tickets", quota.capacity);
                return Err(Invalid::new("quantity", message).into());
            }
            let available = quota.open();
            // Whatever is wanted: who waits for more than is free would keep everybody else from what is.
            if available > 0 {
                return Err(Error::TicketsAvailable { available });
            }
            let joining = Joining {
                entry: ctx.id(),
                user,
                ticket_type: ticket_type.id,
                quantity: join.quantity,
                asked: join.quantity,
                accepts_part: join.accepts_part,
            };
            let queued = queue(&mut allocation.inventory, joining).ok_or(Error::Internal)?;
            let mut change_set = ChangeSet::new(ctx);
            change_set.promote(&allocation.inventory, &allocation.promotions);
            let entry = change_set.queue(&allocation.inventory, &queued);
            if let Some(key) = key {
                let now = change_set.now();
                change_set.answer(idempotency::answer(user, key.clone(), OPERATION, fingerprint.clone(), &entry, now));
            }
            change_set.count(&before, &allocation.inventory, true);
            change_set.write(&tx).await?;
            Ok(entry)
        })
    };
    match enter().await {
        // The key was taken at another event meanwhile: look again.
        Err(error) if error.db().is_some_and(is_unique_violation) => enter().await,
        outcome => outcome,
    }
}

fn must_be_on_sale(inventory: &Inventory) -> Result<(), Error> {
    match inventory.status {
        EventStatus::Draft => Err(Error::EventNotFound),
        EventStatus::Cancelled | EventStatus::Archived => Err(Error::NotOnSale(inventory.status)),
        EventStatus::Published if inventory.begun => Err(Error::EventOver),
        EventStatus::Published => Ok(()),
    }
}

/// Puts a user's own entries back in turn where they stand, and serves the waitlist.
async fn put_in_turn(
    tx: &Tx,
    before: &Inventory,
    mut change_set: ChangeSet,
    entries: &[EntryId],
) -> Result<(), DbError> {
    agree(tx, entries, before.terms, change_set.now()).await?;
    let mut with = before.clone();
    for quota in with.quotas.iter_mut().filter(|one| one.waiting > 0) {
        inventory::read_waitlist(tx, quota, before.terms, inventory::SERVED_MAX).await?;
    }
    let allocation = allocate(with, &[]);
    change_set.promote(&allocation.inventory, &allocation.promotions);
    change_set.count(before, &allocation.inventory, true);
    change_set.write(tx).await
}

/// Says yes to an event that changed since the entry was made, or asks to be served at once with tickets given back: the
/// entry is in turn again, at the ticket it has. Nothing happens where it is in turn already.
pub async fn confirm(ctx: &Ctx, id: EntryId) -> Result<EntryId, Error> {
    ctx.allow(Action::BookTickets)?;
    let user = ctx.actor.user_id().ok_or(Denied::SignIn)?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let found = own_entry(&tx, ctx, id).await?;
            let users = [(user, found.event_id)];
            let mut inventories = inventory::lock(&tx, &[found.event_id], &users, ctx.now()).await?;
            let before = inventories.remove(&found.event_id).ok_or(Error::EntryNotFound)?;
            let entry = before.waits.values().flatten().find(|own| own.entry == id).ok_or(Error::NotWaiting)?;
            must_be_on_sale(&before)?;
            if entry.terms != before.terms {
                put_in_turn(&tx, &before, ChangeSet::new(ctx), &[id]).await?;
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

/// Leaves the waitlist; who stands behind may be served at once.
pub async fn leave(ctx: &Ctx, id: EntryId) -> Result<EntryId, Error> {
    ctx.allow(Action::BookTickets)?;
    let user = ctx.actor.user_id().ok_or(Denied::SignIn)?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let found = own_entry(&tx, ctx, id).await?;
            let mut inventories = inventory::lock(&tx, &[found.event_id], &[], ctx.now()).await?;
            let before = inventories.remove(&found.event_id).ok_or(Error::EntryNotFound)?;
            // Read again: until the lock was ours, the waitlist may have served it.
            let entry = own_entry(&tx, ctx, id).await?;
            if entry.status != WaitlistStatus::Waiting {
                return Err(Error::NotWaiting);
            }
            let mut without = before.clone();
            let mut change_set = ChangeSet::new(ctx);
            let (quota, quantity) = (entry.quota_id, entry.quantity);
            let leaving = Leaving { entry: id, user, quota, quantity, reason: LeaveReason::Left };
            change_set.leave(&mut without, &[leaving], Some(user));
            let allocation = allocate(without, &[]);
            change_set.promote(&allocation.inventory, &allocation.promotions);
            change_set.count(&before, &allocation.inventory, true);
            change_set.write(&tx).await?;
            Ok(id)
        })
        .await
}
