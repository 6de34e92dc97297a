//! Editing an event: each changed field is recorded, and customers with bookings are notified.
//! Not here: capacity (`booking::capacity`) and status.

use super::bookable::has_begun;
use super::{Error, beginning, description, end, may_manage, price, search, store, time_zone, title, venue};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::domain_event::DomainEvent;
use crate::entity::{event, slot, ticket_type};
use crate::id::{ChangeId, DomainEventId, EventId};
use crate::money::{Currency, Money};
use crate::outbox::{self, Draft};
use crate::status::{EventField, EventStatus};
use crate::text::{Fields, Invalids};

/// Fields that are terms: after a change, customers on the waitlist have to agree before they are booked.
const TERMS: [EventField; 4] = [EventField::StartsAt, EventField::TimeZone, EventField::Venue, EventField::Price];

/// New values of an event's fields; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Title of the event.
    pub title: Option<String>,
    /// Description of the event.
    pub description: Option<String>,
    /// Venue of the event.
    pub venue: Option<String>,
    /// IANA name of the time zone.
    pub time_zone: Option<String>,
    /// Beginning of the event's only slot.
    pub starts_at: Option<Timestamp>,
    /// End of the event's only slot.
    pub ends_at: Option<Timestamp>,
    /// Price of the event's only ticket type, as decimal text in the event's currency.
    pub price: Option<String>,
}

/// Event with the parts that an edit can change: its slot and its ticket type, if it has only one of them.
#[derive(Clone)]
struct Parts {
    event: event::Model,
    slot: Option<slot::Model>,
    ticket_type: Option<(ticket_type::Model, slot::Model)>,
}

impl Parts {
    async fn read(tx: &Tx, event: event::Model) -> Result<Self, DbError> {
        let (slot, ticket_type) = (store::only_slot(tx, event.id).await?, store::only_ticket_type(tx, event.id).await?);
        Ok(Self { event, slot, ticket_type })
    }

    fn price(&self) -> Option<i64> {
        self.ticket_type.as_ref().map(|(ticket_type, _)| ticket_type.price_minor)
    }
}

/// Changes a draft, or a published event that is not over. Returns the fields that really changed; none is no error and
/// causes no notice.
#[tracing::instrument(level = "debug", skip_all, fields(event = %id))]
pub async fn edit(ctx: &Ctx, id: EventId, edit: Edit) -> Result<Vec<EventField>, Error> {
    let (change_id, domain_event_id): (ChangeId, DomainEventId) = (ctx.id(), ctx.id());
    let edit = &edit;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            // The row of the stock first, the same order of locks as in all changes of occupancy: new terms change
            // which entries are in turn.
            db::run(&tx, "UPDATE stock SET revision = revision WHERE event_id = $1", [id.into()]).await?;
            let event = may_manage(ctx, store::lock(&tx, id).await?)?;
            if !matches!(event.status, EventStatus::Draft | EventStatus::Published) {
                return Err(Error::InvalidTransition(event.status));
            }
            if event.status == EventStatus::Published && event.ends_at <= ctx.now() {
                return Err(Error::Over);
            }
            let old = Parts::read(&tx, event).await?;
            let currency = Currency::parse(&old.event.currency).ok_or_else(|| {
                DbError::from(sea_orm::DbErr::Custom(format!("stored currency {:?}", old.event.currency)))
            })?;
            let new = applied(&old, currency, edit, ctx.now())?;
            let changes = changes(change_id, &old, &new, currency);
            let fields: Vec<EventField> = changes.iter().filter_map(|change| store::field(change.field)).collect();
            if fields.is_empty() {
                return Ok(fields);
            }
            write(&tx, &old, &new, ctx.now()).await?;
            store::insert_changes(&tx, &changes).await?;
            // No customer ever saw a draft, so no notice is sent.
            if old.event.status == EventStatus::Published {
                tell(&tx, ctx, &old.event, (domain_event_id, change_id), &fields).await?;
            }
            Ok(fields)
        })
        .await
}

/// Returns a record of each value that differs.
fn changes(id: ChangeId, old: &Parts, new: &Parts, currency: Currency) -> Vec<store::Change> {
    let (before, after) = (&old.event, &new.event);
    let decimal = |minor: Option<i64>| minor.map_or_else(String::new, |minor| Money { minor, currency }.decimal());
    [
        (EventField::Title, before.title.clone(), after.title.clone()),
        (EventField::Description, before.description.clone(), after.description.clone()),
        (EventField::Venue, before.venue.clone(), after.venue.clone()),
        (EventField::TimeZone, before.time_zone.clone(), after.time_zone.clone()),
        (EventField::StartsAt, before.starts_at.rfc3339(), after.starts_at.rfc3339()),
        (EventField::EndsAt, before.ends_at.rfc3339(), after.ends_at.rfc3339()),
        (EventField::Price, decimal(old.price()), decimal(new.price())),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(field, old_value, new_value)| store::Change {
        id,
        event_id: before.id,
        field: field.word(),
        old_value,
        new_value,
    })
    .collect()
}

/// Appends the domain events of a changed event. New terms change which entries of the waitlist are in turn.
async fn tell(
    tx: &Tx,
    ctx: &Ctx,
    event: &event::Model,
    (id, change): (DomainEventId, ChangeId),
    fields: &[EventField],
) -> Result<(), DbError> {
    let organizer = event.organizer_id;
    let updated = DomainEvent::EventUpdated { event: event.id, organizer, change, fields: fields.to_vec() };
    let mut drafts = vec![Draft { id, ..Draft::new(ctx, updated) }];
    if fields.iter().any(|field| TERMS.contains(field))
        && let Some(revision) = store::renew_terms(tx, event.id).await?
    {
        let changed = DomainEvent::AvailabilityChanged { event: event.id, revision };
        drafts.push(Draft::new(ctx, changed).caused_by(None));
    }
    outbox::append(tx, &drafts).await
}

/// Returns the event and its parts after the edit, or all invalid fields. Once a slot has begun, its beginning and its
/// prices cannot change: both have already taken effect. Of several slots or ticket types none is meant.
fn applied(old: &Parts, currency: Currency, edit: &Edit, now: Timestamp) -> Result<Parts, Invalids> {
    let (mut new, mut fields) = (old.clone(), Fields::default());
    let event = &mut new.event;
    if let Some(text) = edit.title.as_deref().and_then(|text| fields.check(title(text))) {
        event.title = text;
    }
    if let Some(text) = edit.description.as_deref().and_then(|text| fields.check(description(text))) {
        event.description = text;
    }
    if let Some(text) = edit.venue.as_deref().and_then(|text| fields.check(venue(text))) {
        event.venue = text;
    }
    if let Some(name) = edit.time_zone.as_deref().and_then(|name| fields.check(time_zone(name))) {
        event.time_zone = name;
    }
    reprice(&mut new, currency, edit, now, &mut fields);
    reschedule(&mut new, edit, now, &mut fields);
    fields.finish(|| Some(new))
}

/// Gives the only ticket type another price.
fn reprice(parts: &mut Parts, currency: Currency, edit: &Edit, now: Timestamp, fields: &mut Fields) {
    let Some(text) = &edit.price else { return };
    let Some((ticket_type, slot)) = &mut parts.ticket_type else {
        return fields.refuse("price", "the event has several ticket types, each with a price of its own");
    };
    let Some(minor) = fields.check(price(text, currency)).filter(|minor| *minor != ticket_type.price_minor) else {
        return;
    };
    if parts.event.status == EventStatus::Published && has_begun(slot.starts_at, now) {
        return fields.refuse("price", "cannot change after the event has begun");
    }
    (ticket_type.price_minor, parts.event.cheapest_minor) = (minor, minor);
}

/// Moves the only slot, and the event with it.
fn reschedule(parts: &mut Parts, edit: &Edit, now: Timestamp, fields: &mut Fields) {
    let event = &mut parts.event;
    let Some(slot) = &mut parts.slot else {
        for (field, given) in [("startsAt", edit.starts_at), ("endsAt", edit.ends_at)] {
            if given.is_some() {
                fields.refuse(field, "the event has several dates, each with times of its own");
            }
        }
        return;
    };
    let (old_start, old_end) = (event.starts_at, event.ends_at);
    let (starts_at, ends_at) = (edit.starts_at.unwrap_or(old_start), edit.ends_at.unwrap_or(old_end));
    if starts_at != old_start {
        if event.status == EventStatus::Published && has_begun(old_start, now) {
            fields.refuse("startsAt", "cannot change after the event has begun");
        } else {
            fields.check(beginning(starts_at, now));
        }
        (event.starts_at, slot.starts_at) = (starts_at, starts_at);
    }
    if (starts_at, ends_at) != (old_start, old_end) {
        fields.check(end(starts_at, ends_at, now));
    }
    if ends_at != old_end {
        (event.ends_at, slot.ends_at) = (ends_at, ends_at);
    }
}

/// Writes the changes; dates and prices only if they changed.
async fn write(tx: &Tx, old: &Parts, new: &Parts, now: Timestamp) -> Result<(), DbError> {
    let (before, after) = (&old.event, &new.event);
    let sql = "UPDATE event SET title = $2, description = $3, venue = $4, time_zone = $5, starts_at = $6, ends_at = $7,
               updated_at = $8, cheapest_minor = $9 WHERE id = $1";
    let binds = [
        after.id.into(),
        after.title.clone().into(),
        after.description.clone().into(),
        after.venue.clone().into(),
        after.time_zone.clone().into(),
        after.starts_at.into(),
        after.ends_at.into(),
        now.into(),
        after.cheapest_minor.into(),
    ];
    db::run(tx, sql, binds).await?;
    if (&after.title, &after.venue) != (&before.title, &before.venue) {
        search::index(tx, after).await?;
    }
    if let Some(slot) = new.slot.as_ref().filter(|slot| old.slot.as_ref() != Some(*slot)) {
        let sql = "UPDATE slot SET starts_at = $2, ends_at = $3 WHERE id = $1";
        db::run(tx, sql, [slot.id.into(), slot.starts_at.into(), slot.ends_at.into()]).await?;
    }
    if let Some((ticket_type, _)) = new.ticket_type.as_ref().filter(|_| old.price() != new.price()) {
        let sql = "UPDATE ticket_type SET price_minor = $2 WHERE id = $1";
        db::run(tx, sql, [ticket_type.id.into(), ticket_type.price_minor.into()]).await?;
    }
    Ok(())
}
