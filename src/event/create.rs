//! Creating an event: a draft with one slot, one ticket type and one quota.
//! Not here: showing it to anybody (`publish`).

use super::{
    CAPACITY_MAX, Error, currency, description, organizer_of, price, search_text, store, time_zone, times, title, venue,
};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{Lane, MaybeDb, is_unique_violation};
use crate::entity::{event, quota, slot, ticket_type};
use crate::id::EventId;
use crate::idempotency::{self, Key, Recall};
use crate::status::{Confirmation, EventStatus};
use crate::text::{self, Invalid};
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
    pub starts_at: Micros,
    /// When it ends.
    pub ends_at: Micros,
    /// How many places it has.
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
    let currency = currency(&new.currency).map_err(Error::from)?;
    let price_minor = price(&new.price, currency).map_err(Error::from)?;
    if !(1..=CAPACITY_MAX).contains(&new.capacity) {
        return Err(Error::from(Invalid::new("capacity", format!("must be between 1 and {CAPACITY_MAX}"))).into());
    }
    let (title, venue) = (title(&new.title).map_err(Error::from)?, venue(&new.venue).map_err(Error::from)?);
    let event = event::Model {
        id: ctx.id(),
        organizer_id: organizer,
        slug: String::new(), // given inside, where it is seen which are taken
        search: search_text(&title, &venue),
        title,
        description: description(&new.description).map_err(Error::from)?,
        venue,
        time_zone: time_zone(&new.time_zone).map_err(Error::from)?,
        currency: currency.code().to_owned(),
        status: EventStatus::Draft,
        confirmation: Confirmation::Auto,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        created_at: now,
        updated_at: now,
        published_at: None,
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
        price_minor,
        position: 0,
    };
    let slugs = text::slugs(&event.title, "event", &ctx.chance);
    let fingerprint = idempotency::fingerprint(&new);
    let (event, slot, quota, ticket_type, slugs) = (&event, &slot, &quota, &ticket_type, &slugs);
    let (key, fingerprint) = (&key, &fingerprint);
    let create = || {
        ctx.db.write(Lane::Interactive, |tx| async move {
            if let Some(key) = key {
                let asked = Key { user_id: user, key: key.clone() };
                if let Some(stored) = idempotency::look_up(&tx, &[asked]).await?.first() {
                    return match stored.recall("createEvent", fingerprint) {
                        Recall::Same(id) => Ok(id),
                        Recall::Reused => Err(CreateError::KeyReused),
                    };
                }
                // What follows holds for the first time only: a repeat is answered though its event may have begun.
                times(event.starts_at, event.ends_at, now).map_err(Error::from)?;
                let answer = idempotency::answer(user, key.clone(), "createEvent", fingerprint.clone(), &event.id, now);
                idempotency::keep(&tx, &[answer]).await?;
            } else {
                times(event.starts_at, event.ends_at, now).map_err(Error::from)?;
            }
            store::insert(&tx, event, slugs).await?;
            store::insert_parts(&tx, slot, quota, ticket_type).await?;
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
