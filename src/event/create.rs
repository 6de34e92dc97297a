//! Creating an event: a draft with one slot, one ticket type and one quota.
//! Not here: making it public (`publish`).

use super::{
    Error, capacity, currency, description, organizer_for, price, search, store, time_zone, times, title, venue,
};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{Priority, Tx};
use crate::entity::{event, quota, slot, ticket_type};
use crate::id::{EventId, OrganizerId};
use crate::idempotency::{self, Answer, Keyed, Recall};
use crate::money::Currency;
use crate::status::{Confirmation, EventStatus};
use crate::text::{self, Fields, Invalids};
use serde::Serialize;

/// Fields of a new event, as submitted.
#[derive(Debug, Clone, Serialize)]
pub struct NewEvent {
    /// Organizer of the event; `None` for the only one for which the actor may manage events.
    pub organizer: Option<OrganizerId>,
    /// Title of the event.
    pub title: String,
    /// Description of the event.
    pub description: String,
    /// Venue of the event.
    pub venue: String,
    /// IANA name of the time zone.
    pub time_zone: String,
    /// Beginning of the event.
    pub starts_at: Timestamp,
    /// End of the event.
    pub ends_at: Timestamp,
    /// Number of tickets.
    pub capacity: i64,
    /// Price of a ticket, as decimal text in `currency`.
    pub price: String,
    /// ISO 4217 code of the currency.
    pub currency: String,
}

/// Creates a draft for an organizer the actor acts for. A repeated key returns the event created first.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create(ctx: &Ctx, new: NewEvent, key: Option<String>) -> Result<EventId, CreateError> {
    let user = ctx.user().map_err(Error::from)?;
    let keyed = &Keyed::of(user, key, "createEvent", &new);
    let organizer = match organizer_for(ctx, new.organizer) {
        // A repetition is answered all the same: at the first request the actor may have managed one organizer only.
        Err(unclear @ Error::Invalid(_)) => {
            let first = ctx.db.write(Priority::Interactive, |tx| async move { known(&tx, keyed).await }).await?;
            return first.ok_or(unclear.into());
        }
        decided => decided?,
    };
    let now = ctx.now();
    let checked = checked(&new, now).map_err(Error::from)?;
    let event = event::Model {
        id: ctx.id(),
        organizer_id: organizer,
        slug: String::new(), // set in the transaction, which sees the slugs taken
        title: checked.title,
        description: checked.description,
        venue: checked.venue,
        time_zone: checked.time_zone,
        currency: checked.currency.code().to_owned(),
        status: EventStatus::Draft,
        confirmation: Confirmation::Auto,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        created_at: now,
        updated_at: now,
        published_at: None,
        cheapest_minor: checked.price_minor,
        search_version: search::VERSION,
    };
    let slot = slot::Model { id: ctx.id(), event_id: event.id, starts_at: new.starts_at, ends_at: new.ends_at };
    let quota = quota::Model {
        id: ctx.id(),
        event_id: event.id,
        capacity: new.capacity,
        sold: 0,
        held: 0,
        open: new.capacity,
        waiting: 0,
        revision: 0,
    };
    let ticket_type = ticket_type::Model {
        id: ctx.id(),
        event_id: event.id,
        slot_id: slot.id,
        quota_id: quota.id,
        name: "Standard".to_owned(),
        price_minor: checked.price_minor,
        position: 0,
    };
    let slugs = text::slugs(&event.title, "event", &ctx.random.reference()[4..]);
    let (event, slot, quota, ticket_type, slugs) = (&event, &slot, &quota, &ticket_type, &slugs);
    idempotency::once(|| {
        ctx.db.write(Priority::Interactive, |tx| async move {
            if let Some(known) = known(&tx, keyed).await? {
                return Ok(known);
            }
            // Only for the first request: a repeat is answered even if its event has begun since.
            in_time(event, now).map_err(Error::from)?;
            let answers: Vec<Answer> = keyed.iter().map(|keyed| keyed.answer(&event.id, now)).collect();
            idempotency::keep(&tx, &answers).await?;
            store::insert(&tx, event, slugs).await?;
            store::insert_parts(&tx, slot, quota, ticket_type).await?;
            search::index(&tx, event).await?;
            Ok(event.id)
        })
    })
    .await
}

/// Returns the event that the first request with this key created.
async fn known(tx: &Tx, keyed: &Option<Keyed>) -> Result<Option<EventId>, CreateError> {
    let Some(keyed) = keyed else { return Ok(None) };
    match keyed.recall(tx).await? {
        Some(Recall::Same(id)) => Ok(Some(id)),
        Some(Recall::Reused) => Err(CreateError::KeyReused),
        None => Ok(None),
    }
}

/// Reason an event was not created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CreateError {
    /// An error common to all operations on events.
    #[error(transparent)]
    Event(#[from] Error),
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
}

impl From<crate::db::DbError> for CreateError {
    fn from(error: crate::db::DbError) -> Self {
        Self::Event(error.into())
    }
}

impl crate::db::MaybeDb for CreateError {
    fn db(&self) -> Option<&crate::db::DbError> {
        match self {
            Self::Event(error) => error.db(),
            Self::KeyReused => None,
        }
    }
}

/// Valid values of a new event, as they are stored.
struct Checked {
    title: String,
    description: String,
    venue: String,
    time_zone: String,
    currency: Currency,
    price_minor: i64,
}

/// Checks every field. The times are checked here only if another field is invalid, because a repeat with a key may
/// come after the event has begun.
fn checked(new: &NewEvent, now: Timestamp) -> Result<Checked, Invalids> {
    let mut fields = Fields::default();
    let (title, description) = (fields.check(title(&new.title)), fields.check(description(&new.description)));
    let (venue, time_zone) = (fields.check(venue(&new.venue)), fields.check(time_zone(&new.time_zone)));
    fields.check(capacity(new.capacity));
    let currency = fields.check(currency(&new.currency));
    // The number of decimals of a price depends on the currency.
    let price_minor = currency.and_then(|currency| fields.check(price(&new.price, currency)));
    if !fields.is_empty() {
        times(&mut fields, new.starts_at, new.ends_at, now);
    }
    fields.finish(|| {
        Some(Checked {
            title: title?,
            description: description?,
            venue: venue?,
            time_zone: time_zone?,
            currency: currency?,
            price_minor: price_minor?,
        })
    })
}

fn in_time(event: &event::Model, now: Timestamp) -> Result<(), Invalids> {
    let mut fields = Fields::default();
    times(&mut fields, event.starts_at, event.ends_at, now);
    fields.finish(|| Some(()))
}
