//! Editing an event: what changed is recorded field by field, and those who booked are told.
//! Not here: capacity (`booking::capacity`) and status.

use super::{Error, currency, description, may_manage, price, search_text, store, time_zone, times, title, venue};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, Lane, Tx};
use crate::entity::event;
use crate::fact::Fact;
use crate::id::{ChangeId, EventId, FactId};
use crate::money::Money;
use crate::outbox::{self, Draft};
use crate::status::{EventField, EventStatus};

/// Fields whose change people in line have to agree to before they are booked.
const TERMS: [EventField; 4] = [EventField::StartsAt, EventField::TimeZone, EventField::Venue, EventField::Price];

/// What is to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// What it is called.
    pub title: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Where it takes place.
    pub venue: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// When it begins.
    pub starts_at: Option<Micros>,
    /// When it ends.
    pub ends_at: Option<Micros>,
    /// Decimal text in the event's currency.
    pub price: Option<String>,
}

/// Changes a draft or published event. Says which fields really changed; none is no error and tells nobody.
pub async fn edit(ctx: &Ctx, id: EventId, edit: Edit) -> Result<Vec<EventField>, Error> {
    let (change_id, fact_id): (ChangeId, FactId) = (ctx.id(), ctx.id());
    let edit = &edit;
    ctx.db
        .write(Lane::Interactive, |tx| async move {
            // The lock root first, as all who change occupancy take it: new terms change who is in turn.
            db::run(&tx, "UPDATE stock SET revision = revision WHERE event_id = $1", [id.into()]).await?;
            let old = may_manage(ctx, store::lock(&tx, id).await?)?;
            if !matches!(old.status, EventStatus::Draft | EventStatus::Published) {
                return Err(Error::WrongStatus(old.status));
            }
            if old.status == EventStatus::Published && old.starts_at <= ctx.now() {
                return Err(Error::Over);
            }
            let new = applied(ctx, &old, edit)?;
            let old_price = store::ticket_types(&tx, &[id]).await?.first().map_or(0, |kind| kind.price_minor);
            let money = currency(&old.currency)?;
            let new_price = edit.price.as_deref().map(|text| price(text, money)).transpose()?.unwrap_or(old_price);

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

            write(&tx, &new, new_price, ctx.now()).await?;
            store::insert_changes(&tx, &changes).await?;
            // Nobody was promised anything of a draft, so nobody is told.
            if old.status == EventStatus::Published {
                let fact = Fact::EventUpdated {
                    event: id,
                    organizer: old.organizer_id,
                    change: change_id,
                    fields: fields.clone(),
                };
                let mut drafts = vec![Draft { id: fact_id, ..Draft::new(ctx, fact) }];
                if fields.iter().any(|field| TERMS.contains(field))
                    && let Some(revision) = store::renew_terms(&tx, id).await?
                {
                    drafts.push(Draft::new(ctx, Fact::AvailabilityChanged { event: id, revision }).caused_by(None));
                }
                outbox::append(&tx, &drafts).await?;
            }
            Ok(fields)
        })
        .await
}

fn applied(ctx: &Ctx, old: &event::Model, edit: &Edit) -> Result<event::Model, Error> {
    let mut new = old.clone();
    if let Some(text) = &edit.title {
        new.title = title(text)?;
    }
    if let Some(text) = &edit.description {
        new.description = description(text)?;
    }
    if let Some(text) = &edit.venue {
        new.venue = venue(text)?;
    }
    if let Some(name) = &edit.time_zone {
        new.time_zone = time_zone(name)?;
    }
    new.starts_at = edit.starts_at.unwrap_or(old.starts_at);
    new.ends_at = edit.ends_at.unwrap_or(old.ends_at);
    if (new.starts_at, new.ends_at) != (old.starts_at, old.ends_at) {
        times(new.starts_at, new.ends_at, ctx.now())?;
    }
    new.search = search_text(&new.title, &new.venue);
    Ok(new)
}

/// Writes the event and, while it has one slot and one ticket type, those with it.
async fn write(tx: &Tx, new: &event::Model, price_minor: i64, now: Micros) -> Result<(), Error> {
    let sql = "UPDATE event SET title = $2, description = $3, venue = $4, time_zone = $5, starts_at = $6, ends_at = $7,
               search = $8, updated_at = $9 WHERE id = $1";
    let binds = [
        new.id.into(),
        new.title.clone().into(),
        new.description.clone().into(),
        new.venue.clone().into(),
        new.time_zone.clone().into(),
        new.starts_at.into(),
        new.ends_at.into(),
        new.search.clone().into(),
        now.into(),
    ];
    db::run(tx, sql, binds).await?;
    let sql = "UPDATE slot SET starts_at = $2, ends_at = $3 WHERE event_id = $1";
    db::run(tx, sql, [new.id.into(), new.starts_at.into(), new.ends_at.into()]).await?;
    let sql = "UPDATE ticket_type SET price_minor = $2 WHERE event_id = $1";
    db::run(tx, sql, [new.id.into(), price_minor.into()]).await?;
    Ok(())
}
