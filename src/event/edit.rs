//! Editing an event: each changed field is recorded, and customers with bookings are notified.
//! Not here: capacity (`booking::capacity`) and status.

use super::{Error, beginning, description, end, may_manage, price, search, store, time_zone, title, venue};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::domain_event::DomainEvent;
use crate::entity::event;
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
    /// Beginning of the event.
    pub starts_at: Option<Timestamp>,
    /// End of the event.
    pub ends_at: Option<Timestamp>,
    /// Price of a ticket, as decimal text in the event's currency.
    pub price: Option<String>,
}

/// Changes a draft, or a published event that is not over. Returns the fields that really changed; none is no error and
/// causes no notice.
pub async fn edit(ctx: &Ctx, id: EventId, edit: Edit) -> Result<Vec<EventField>, Error> {
    let (change_id, domain_event_id): (ChangeId, DomainEventId) = (ctx.id(), ctx.id());
    let edit = &edit;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            // The row of the stock first, the same order of locks as in all changes of occupancy: new terms change
            // which entries are in turn.
            db::run(&tx, "UPDATE stock SET revision = revision WHERE event_id = $1", [id.into()]).await?;
            let old = may_manage(ctx, store::lock(&tx, id).await?)?;
            if !matches!(old.status, EventStatus::Draft | EventStatus::Published) {
                return Err(Error::InvalidTransition(old.status));
            }
            if old.status == EventStatus::Published && old.ends_at <= ctx.now() {
                return Err(Error::Over);
            }
            let old_price = store::ticket_types(&tx, &[id]).await?.first().map_or(0, |kind| kind.price_minor);
            let money = Currency::parse(&old.currency)
                .ok_or_else(|| DbError::from(sea_orm::DbErr::Custom(format!("stored currency {:?}", old.currency))))?;
            let (new, new_price) = applied(ctx, &old, (old_price, money), edit)?;

            let decimal = |minor| Money { minor, currency: money }.decimal();
            let changes: Vec<store::Change> = [
                (EventField::Title, old.title.clone(), new.title.clone()),
                (EventField::Description, old.description.clone(), new.description.clone()),
                (EventField::Venue, old.venue.clone(), new.venue.clone()),
                (EventField::TimeZone, old.time_zone.clone(), new.time_zone.clone()),
                (EventField::StartsAt, old.starts_at.rfc3339(), new.starts_at.rfc3339()),
                (EventField::EndsAt, old.ends_at.rfc3339(), new.ends_at.rfc3339()),
                (EventField::Price, decimal(old_price), decimal(new_price)),
            ]
            .into_iter()
            .filter(|(_, before, after)| before != after)
            .map(|(field, old_value, new_value)| store::Change {
                id: change_id,
                event_id: id,
                field: field.word(),
                old_value,
                new_value,
            })
            .collect();
            let fields: Vec<EventField> = changes.iter().filter_map(|change| store::field(change.field)).collect();
            if fields.is_empty() {
                return Ok(fields);
            }

            let price_change = (new_price != old_price).then_some(new_price);
            write(&tx, &old, &new, price_change, ctx.now()).await?;
            store::insert_changes(&tx, &changes).await?;
            // No customer ever saw a draft, so no notice is sent.
            if old.status == EventStatus::Published {
                let domain_event = DomainEvent::EventUpdated {
                    event: id,
                    organizer: old.organizer_id,
                    change: change_id,
                    fields: fields.clone(),
                };
                let mut drafts = vec![Draft { id: domain_event_id, ..Draft::new(ctx, domain_event) }];
                if fields.iter().any(|field| TERMS.contains(field))
                    && let Some(revision) = store::renew_terms(&tx, id).await?
                {
                    drafts.push(
                        Draft::new(ctx, DomainEvent::AvailabilityChanged { event: id, revision }).caused_by(None),
                    );
                }
                outbox::append(&tx, &drafts).await?;
            }
            Ok(fields)
        })
        .await
}

/// Returns the event and its price after the edit, or all invalid fields. Once an event has begun, its beginning and
/// its price cannot change: both have already taken effect.
fn applied(
    ctx: &Ctx,
    old: &event::Model,
    (old_price, currency): (i64, Currency),
    edit: &Edit,
) -> Result<(event::Model, i64), Invalids> {
    let (mut new, mut fields) = (old.clone(), Fields::default());
    if let Some(text) = edit.title.as_deref().and_then(|text| fields.check(title(text))) {
        new.title = text;
    }
    if let Some(text) = edit.description.as_deref().and_then(|text| fields.check(description(text))) {
        new.description = text;
    }
    if let Some(text) = edit.venue.as_deref().and_then(|text| fields.check(venue(text))) {
        new.venue = text;
    }
    if let Some(name) = edit.time_zone.as_deref().and_then(|name| fields.check(time_zone(name))) {
        new.time_zone = name;
    }
    let new_price = edit.price.as_deref().and_then(|text| fields.check(price(text, currency))).unwrap_or(old_price);
    new.cheapest_minor = new_price;
    new.starts_at = edit.starts_at.unwrap_or(old.starts_at);
    new.ends_at = edit.ends_at.unwrap_or(old.ends_at);
    let has_begun = old.status == EventStatus::Published && old.starts_at <= ctx.now();
    let has_moved = new.starts_at != old.starts_at;
    if has_begun && has_moved {
        fields.refuse("startsAt", "cannot change after the event has begun");
    } else if has_moved {
        fields.check(beginning(new.starts_at, ctx.now()));
    }
    if has_begun && new_price != old_price {
        fields.refuse("price", "cannot change after the event has begun");
    }
    if (new.starts_at, new.ends_at) != (old.starts_at, old.ends_at) {
        fields.check(end(new.starts_at, new.ends_at, ctx.now()));
    }
    fields.finish(|| Some((new, new_price)))
}

/// Writes the changes; dates and prices only if they changed.
async fn write(
    tx: &Tx,
    old: &event::Model,
    new: &event::Model,
    price_change: Option<i64>,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "UPDATE event SET title = $2, description = $3, venue = $4, time_zone = $5, starts_at = $6, ends_at = $7,
               updated_at = $8, cheapest_minor = $9 WHERE id = $1";
    let binds = [
        new.id.into(),
        new.title.clone().into(),
        new.description.clone().into(),
        new.venue.clone().into(),
        new.time_zone.clone().into(),
        new.starts_at.into(),
        new.ends_at.into(),
        now.into(),
        new.cheapest_minor.into(),
    ];
    db::run(tx, sql, binds).await?;
    if (&new.title, &new.venue) != (&old.title, &old.venue) {
        search::index(tx, new).await?;
    }
    if (new.starts_at, new.ends_at) != (old.starts_at, old.ends_at) {
        let sql = "UPDATE slot SET starts_at = $2, ends_at = $3 WHERE event_id = $1";
        db::run(tx, sql, [new.id.into(), new.starts_at.into(), new.ends_at.into()]).await?;
    }
    if let Some(price_minor) = price_change {
        let sql = "UPDATE ticket_type SET price_minor = $2 WHERE event_id = $1";
        db::run(tx, sql, [new.id.into(), price_minor.into()]).await?;
    }
    Ok(())
}
