//! Joining, confirming and leaving the waitlist, apart from a booking.
//! Not here: the rest of a booking, which joins in `order`, and promoting entries (`allocate`).

use sea_orm::EntityTrait;

use super::allocate::{Inventory, Joining, allocate, queue};
use super::change_set::{ChangeSet, Leaving, agree};
use super::inventory::{self, Part};
use super::{Error, QUANTITY_MAX};
use crate::access::Action;
use crate::ctx::Ctx;
use crate::db::{DbError, Priority, Tx};
use crate::entity::waitlist_entry;
use crate::id::{EntryId, EventId, TicketTypeId, UserId};
use crate::idempotency::{self, Keyed, Recall};
use crate::status::{EventStatus, LeaveReason, WaitlistStatus};
use crate::text::{Fields, Invalid};

/// Name under which idempotency keys of joining are stored.
const OPERATION: &str = "joinWaitlist";

/// Request to join the waitlist.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Join {
    /// Event to wait for.
    pub event: EventId,
    /// Ticket type to wait for; optional if the event has only one.
    pub ticket_type: Option<TicketTypeId>,
    /// Number of tickets to wait for.
    pub quantity: i64,
    /// True if the customer takes fewer tickets for now; the rest keeps waiting.
    pub accepts_part: bool,
}

/// Joins the waitlist. Refused while tickets can be booked, however few, or if the user is already in turn.
#[tracing::instrument(level = "debug", skip_all, fields(event = %join.event))]
pub async fn join(ctx: &Ctx, join: Join, key: Option<String>) -> Result<EntryId, Error> {
    ctx.allow(Action::BookTickets)?;
    let user = ctx.user()?;
    let mut fields = Fields::default();
    if !(1..=QUANTITY_MAX).contains(&join.quantity) {
        fields.refuse("quantity", format!("must be between 1 and {QUANTITY_MAX}"));
    }
    if key.as_deref().is_some_and(|key| !idempotency::is_valid_key(key)) {
        fields.refuse("idempotencyKey", "must be 1 to 255 visible ASCII characters");
    }
    fields.finish(|| Some(()))?;
    let keyed = &Keyed::of(user, key, OPERATION, &join);
    let (join, part) = (&join, join.ticket_type.map_or(Part::Any(join.event), |id| Part::Type(join.event, id)));
    idempotency::once(|| {
        ctx.db.write(Priority::Interactive, |tx| async move {
            let mut inventories = inventory::lock(&tx, &[part], &[(user, join.event)], ctx.now()).await?;
            let known = match keyed {
                Some(keyed) => keyed.recall(&tx).await?,
                None => None,
            };
            match known {
                Some(Recall::Same(entry)) => return Ok(entry),
                Some(Recall::Reused) => return Err(Error::KeyReused),
                None => {}
            }
            let before = inventories.remove(&join.event).ok_or(Error::EventNotFound)?;
            enter(&tx, ctx, user, join, before, keyed.as_ref()).await
        })
    })
    .await
}

/// Adds a user's entry to the waitlist, or puts the user's own entries back in turn.
async fn enter(
    tx: &Tx,
    ctx: &Ctx,
    user: UserId,
    join: &Join,
    before: Inventory,
    keyed: Option<&Keyed>,
) -> Result<EntryId, Error> {
    must_be_on_sale(&before)?;
    let ticket_type = join.ticket_type.or(before.only_type).and_then(|id| before.ticket_type(id)).copied();
    let ticket_type = ticket_type.ok_or_else(|| Invalid::new("ticketTypeId", "name a ticket type of this event"))?;
    if ticket_type.begun {
        return Err(Error::EventOver);
    }
    let own = before.waits.get(&(user, ticket_type.id)).map_or(&[] as &[_], Vec::as_slice);
    if own.iter().any(|own| own.terms == before.terms) {
        return Err(Error::AlreadyWaiting);
    }
    let mut change_set = ChangeSet::new(ctx);
    if let Some(first) = own.first() {
        // Joining again agrees to the present terms of the event.
        let entries: Vec<EntryId> = own.iter().map(|own| own.entry).collect();
        change_set.answer(keyed, &first.entry);
        put_in_turn(tx, &before, change_set, &entries).await?;
        return Ok(first.entry);
    }
    let mut allocation = allocate(before.clone(), &[]);
    let quota = allocation.inventory.quota_mut(ticket_type.quota).ok_or(Error::Internal)?;
    if join.quantity > quota.capacity {
        return Err(Invalid::new("quantity", format!("the event has only {} tickets", quota.capacity)).into());
    }
    let available = quota.open();
    // Regardless of the quantity: an entry for more tickets than are free would keep the free ones from all other
    // customers.
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
    change_set.promote(&allocation.inventory, &allocation.promotions);
    let entry = change_set.queue(&allocation.inventory, &queued);
    change_set.answer(keyed, &entry);
    change_set.count(&before, &allocation.inventory, true);
    change_set.write(tx).await?;
    Ok(entry)
}

fn must_be_on_sale(inventory: &Inventory) -> Result<(), Error> {
    match inventory.status {
        EventStatus::Draft => Err(Error::EventNotFound),
        EventStatus::Cancelled | EventStatus::Archived => Err(Error::NotOnSale(inventory.status)),
        EventStatus::Published => Ok(()),
    }
}

/// Puts a user's own entries back in turn at their positions, and promotes the waitlist.
async fn put_in_turn(
    tx: &Tx,
    before: &Inventory,
    mut change_set: ChangeSet,
    entries: &[EntryId],
) -> Result<(), DbError> {
    agree(tx, entries, before.terms, before.read_at).await?;
    let mut with = before.clone();
    for quota in before.quotas_where(|one| one.waiting > 0) {
        inventory::read_waitlist(tx, &mut with, quota, inventory::SERVED_MAX).await?;
    }
    let allocation = allocate(with, &[]);
    change_set.promote(&allocation.inventory, &allocation.promotions);
    change_set.count(before, &allocation.inventory, true);
    change_set.write(tx).await
}

/// Agrees to the present terms of an event that changed, or ends setting an entry aside: the entry is in turn again, at
/// its position. Does nothing if the entry is in turn already.
#[tracing::instrument(level = "debug", skip_all, fields(entry = %id))]
pub async fn confirm(ctx: &Ctx, id: EntryId) -> Result<EntryId, Error> {
    ctx.allow(Action::BookTickets)?;
    let user = ctx.user()?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let found = own_entry(&tx, ctx, id).await?;
            let users = [(user, found.event_id)];
            let part = Part::Type(found.event_id, found.ticket_type_id);
            let mut inventories = inventory::lock(&tx, &[part], &users, ctx.now()).await?;
            let before = inventories.remove(&found.event_id).ok_or(Error::EntryNotFound)?;
            let entry = before.waits.values().flatten().find(|own| own.entry == id).ok_or(Error::NotWaiting)?;
            must_be_on_sale(&before)?;
            if before.ticket_type(found.ticket_type_id).is_none_or(|one| one.begun) {
                return Err(Error::EventOver);
            }
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
    ctx.require(Action::OwnThingOf(found.user_id), Error::EntryNotFound)?;
    Ok(found)
}

/// Leaves the waitlist; entries behind it may be promoted at once.
#[tracing::instrument(level = "debug", skip_all, fields(entry = %id))]
pub async fn leave(ctx: &Ctx, id: EntryId) -> Result<EntryId, Error> {
    ctx.allow(Action::BookTickets)?;
    let user = ctx.user()?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let found = own_entry(&tx, ctx, id).await?;
            let part = Part::Type(found.event_id, found.ticket_type_id);
            let mut inventories = inventory::lock(&tx, &[part], &[], ctx.now()).await?;
            let before = inventories.remove(&found.event_id).ok_or(Error::EntryNotFound)?;
            // Read again: the entry may have been promoted before this transaction got the lock.
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
