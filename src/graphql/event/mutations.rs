//! Mutations about events: create, update, publish, call off, delete, and change of capacity.
//! Not here: the objects they answer with (`super`), and rules (`crate::event`, `crate::booking`).

use super::Event;
use crate::access::Action;
use crate::engine::fault::Fault;
use crate::event::{create, delete, edit, publish};
use crate::graphql::error::{IntoUserError, UserError};
use crate::graphql::guard::{May, acting};
use crate::graphql::load::{Load, failed};
use crate::graphql::page::id;
use crate::graphql::scalar::{CurrencyCode, DateTime, Decimal, id_or_nobody};
use crate::id::EventId;
use crate::status::EventField;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

/// What an event is created with.
#[derive(InputObject)]
pub struct CreateEventInput {
    /// What it is called; up to 200 characters.
    title: String,
    /// What it is about; up to 10,000 characters, several lines allowed.
    #[graphql(default)]
    description: String,
    /// Where it takes place; up to 200 characters.
    venue: String,
    /// IANA time zone of the venue, such as Europe/Berlin.
    time_zone: String,
    /// When it begins; in the future.
    starts_at: DateTime,
    /// When it ends; within a year.
    ends_at: DateTime,
    /// How many tickets it has; 1 to 1,000,000.
    capacity: i32,
    /// What a ticket costs, in `currency`; no more decimals than that has. Shown, not collected.
    #[graphql(default_with = "Decimal(\"0\".into())")]
    price: Decimal,
    /// Currency of the event, any of ISO 4217 in use; one for everything it sells.
    #[graphql(default_with = "CurrencyCode(\"EUR\".into())")]
    currency: CurrencyCode,
    /// A text of your choice that makes repeating this request safe; kept for at least 24 hours.
    idempotency_key: Option<String>,
}

/// What of an event to change; what is left out stays as it is.
#[derive(InputObject)]
pub struct UpdateEventInput {
    /// Which event.
    event_id: ID,
    /// What it is called; up to 200 characters.
    title: Option<String>,
    /// What it is about; up to 10,000 characters, several lines allowed.
    description: Option<String>,
    /// Where it takes place; up to 200 characters.
    venue: Option<String>,
    /// IANA time zone of the venue.
    time_zone: Option<String>,
    /// When it begins; in the future. Fixed once the event has begun.
    starts_at: Option<DateTime>,
    /// When it ends; in the future, and within a year of its beginning.
    ends_at: Option<DateTime>,
    /// What a ticket costs from now on, in the event's currency. Fixed once the event has begun.
    price: Option<Decimal>,
}

/// Which event.
#[derive(InputObject)]
pub struct EventInput {
    /// Which event.
    event_id: ID,
}

/// How many tickets an event is to have.
#[derive(InputObject)]
pub struct SetCapacityInput {
    /// Which event.
    event_id: ID,
    /// How many tickets; never below what is sold or held.
    capacity: i32,
}

/// Outcome of creating, publishing, calling off or resizing an event.
#[derive(SimpleObject, Default)]
pub struct EventPayload {
    /// The event as it is now; null when the request was refused.
    event: Option<Event>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `updateEvent`.
#[derive(SimpleObject, Default)]
pub struct UpdateEventPayload {
    /// The event as it is now; null when the request was refused.
    event: Option<Event>,
    /// What really changed; those who booked or wait are told exactly this.
    changed: Vec<EventField>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `deleteEvent`.
#[derive(SimpleObject, Default)]
pub struct DeleteEventPayload {
    /// Id of the draft that is gone; null when the request was refused.
    deleted_id: Option<ID>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

async fn payload<E: IntoUserError>(ctx: &Context<'_>, outcome: Result<EventId, E>) -> Result<Option<EventPayload>> {
    Ok(Some(match outcome {
        Ok(id) => EventPayload { event: fresh(ctx, id).await?, user_errors: Vec::new() },
        Err(error) => EventPayload { event: None, user_errors: error.into_user_error()? },
    }))
}

async fn fresh(ctx: &Context<'_>, id: EventId) -> Result<Option<Event>> {
    let acting = acting(ctx)?;
    match ctx.data::<Load>()?.load_one(id).await.map_err(failed)? {
        // A repeated request may find it with another organizer.
        Some(row) if crate::event::may_see(acting, &row) => Ok(Some(Event(row))),
        // Drafts may be deleted: meanwhile, or since the key was used.
        _ => Err(Fault::NotFound.error("There is no such event any more.")),
    }
}

/// Mutations about events.
#[derive(Default)]
pub struct EventMutation;

#[Object]
impl EventMutation {
    /// Creates a draft with one date and one kind of place. Needs ORGANIZER.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn create_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to create.")] input: CreateEventInput,
    ) -> Result<Option<EventPayload>> {
        let new = create::NewEvent {
            title: input.title,
            description: input.description,
            venue: input.venue,
            time_zone: input.time_zone,
            starts_at: input.starts_at.0,
            ends_at: input.ends_at.0,
            capacity: input.capacity.into(),
            price: input.price.0,
            currency: input.currency.0,
        };
        payload(ctx, create::create(acting(ctx)?, new, input.idempotency_key).await).await
    }

    /// Changes a draft or a published event that is not over; customers with a live booking and those who wait are told
    /// what changed. Once the event has begun, `startsAt` and `price` stay. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn update_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateEventInput,
    ) -> Result<Option<UpdateEventPayload>> {
        let event = id_or_nobody(&input.event_id)?;
        let edit = edit::Edit {
            title: input.title,
            description: input.description,
            venue: input.venue,
            time_zone: input.time_zone,
            starts_at: input.starts_at.map(|at| at.0),
            ends_at: input.ends_at.map(|at| at.0),
            price: input.price.map(|price| price.0),
        };
        Ok(Some(match edit::edit(acting(ctx)?, event, edit).await {
            Ok(changed) => UpdateEventPayload { event: fresh(ctx, event).await?, changed, user_errors: Vec::new() },
            Err(error) => UpdateEventPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }

    /// Publishes a draft: everybody sees it and customers may book. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn publish_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: EventInput,
    ) -> Result<Option<EventPayload>> {
        payload(ctx, publish::publish(acting(ctx)?, id_or_nobody(&input.event_id)?).await).await
    }

    /// Calls a published event off: at once nobody can book it; its bookings are cancelled, its waitlist is closed and
    /// everybody concerned is told. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn cancel_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: EventInput,
    ) -> Result<Option<EventPayload>> {
        payload(ctx, crate::booking::call_off::call_off(acting(ctx)?, id_or_nobody(&input.event_id)?).await).await
    }

    /// Deletes a draft. Anything that was published is called off instead. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn delete_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: EventInput,
    ) -> Result<Option<DeleteEventPayload>> {
        Ok(Some(match delete::delete(acting(ctx)?, id_or_nobody(&input.event_id)?).await {
            Ok(gone) => DeleteEventPayload { deleted_id: Some(id(gone)), user_errors: Vec::new() },
            Err(error) => DeleteEventPayload { deleted_id: None, user_errors: error.into_user_error()? },
        }))
    }

    /// Raises or lowers how many tickets an event has; new tickets go to the waitlist first. Needs ORGANIZER (own events) or
    /// ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn set_event_capacity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event, and how many tickets.")] input: SetCapacityInput,
    ) -> Result<Option<EventPayload>> {
        let event = id_or_nobody(&input.event_id)?;
        payload(ctx, crate::booking::capacity::set_capacity(acting(ctx)?, event, input.capacity.into()).await).await
    }
}
