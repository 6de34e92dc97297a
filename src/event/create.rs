//! Creating an event: a draft with one slot, one ticket type and one quota.
//! Not here: showing it to anybody (`publish`).

use super::{
    Error, capacity, currency, description, organizer_of, price, search, search_text, store, time_zone, times, title,
    venue,
};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{MaybeDb, Priority, is_unique_violation};
use crate::entity::{event, quota, slot, ticket_type};
use crate::id::EventId;
use crate::idempotency::{self, Key, Recall};
use crate::money::Currency;
use crate::status::{Confirmation, EventStatus};
use crate::text::{self, Fields, Invalids};
use serde::Serialize;

/// What a new event is made from.
#[derive(Debug, Clone, Serialize)]
pub struct NewEvent {
    /// What it is called.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// Where it takes place.
    pub venue: String,
    /// IANA name.
    pub time_zone: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// How many tickets it has.
    pub capacity: i64,
    /// Decimal text in `currency`.
    pub price: String,
    /// ISO 4217.
    pub currency: String,
}

/// Creates a draft for the organizer the actor acts for. A repeated key answers with the first event.
pub async fn create(ctx: &Ctx, new: NewEvent, key: Option<String>) -> Result<EventId, CreateError> {
    let organizer = organizer_of(ctx)?;
    let user = ctx.actor.user_id().ok_or(Error::NotFound)?; // `organizer_of` let a signed-in user pass
    let now = ctx.now();
    let checked = checked(&new, now).map_err(Error::from)?;
    let event = event::Model {
        id: ctx.id(),
        organizer_id: organizer,
        slug: String::new(), // given inside, where it is seen which are taken
        search: search_text(&checked.title, &checked.venue),
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
    let fingerprint = idempotency::fingerprint(&new);
    let (event, slot, quota, ticket_type, slugs) = (&event, &slot, &quota, &ticket_type, &slugs);
    let (key, fingerprint) = (&key, &fingerprint);
    let create = || {
        ctx.db.write(Priority::Interactive, |tx| async move {
            if let Some(key) = key {
                let asked = Key { user_id: user, key: key.clone() };
                if let Some(stored) = idempotency::look_up(&tx, &[asked]).await?.first() {
                    return match stored.recall("createEvent", fingerprint) {
                        Recall::Same(id) => Ok(id),
                        Recall::Reused => Err(CreateError::KeyReused),
                    };
                }
                // What follows holds for the first time only: a repeat is answered though its event may have begun.
                in_time(event, now).map_err(Error::from)?;
                let answer = idempotency::answer(user, key.clone(), "createEvent", fingerprint.clone(), &event.id, now);
                idempotency::keep(&tx, &[answer]).await?;
            } else {
                in_time(event, now).map_err(Error::from)?;
            }
            store::insert(&tx, event, slugs).await?;
            store::insert_parts(&tx, slot, quota, ticket_type).await?;
            search::index(&tx, event).await?;
            Ok(event.id)
        })
    };
    match create().await {
        // Somebody took the key or the slug between our look and our write: look again.
        Err(error) if error.db().is_some_and(is_unique_violation) => create().await,
        outcome => outcome,
    }
}

/// Why an event was not created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CreateError {
    /// As with every event verb.
    #[error(transparent)]
    Event(#[from] Error),
    /// The key belongs to another request.
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

/// What is stored of a form without faults.
struct Checked {
    title: String,
    description: String,
    venue: String,
    time_zone: String,
    currency: Currency,
    price_minor: i64,
}

/// Checks every field; the times only beside others that are at fault, because a keyed repeat may come after the beginning.
fn checked(new: &NewEvent, now: Timestamp) -> Result<Checked, Invalids> {
    let mut fields = Fields::default();
    let (title, description) = (fields.check(title(&new.title)), fields.check(description(&new.description)));
    let (venue, time_zone) = (fields.check(venue(&new.venue)), fields.check(time_zone(&new.time_zone)));
    fields.check(capacity(new.capacity));
    let currency = fields.check(currency(&new.currency));
    // Without a currency the digits of a price cannot be judged.
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
