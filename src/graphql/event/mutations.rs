//! Mutations about events: create, update, publish, call off, delete, and change of capacity.
//! Not here: the objects in their payloads (`super`), and the rules (`crate::event`, `crate::booking`).

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

/// Details of the event to create.
#[derive(InputObject)]
pub struct CreateEventInput {
    /// Id of the organizer of the event; may be left out when you manage events of one organizer only.
    organizer_id: Option<ID>,
    /// Title of the event; up to 200 characters.
    title: String,
    /// Description of the event; up to 10,000 characters, several lines allowed.
    #[graphql(default)]
    description: String,
    /// Place where the event happens; up to 200 characters.
    venue: String,
    /// IANA time zone of the venue, such as `Europe/Berlin`.
    time_zone: String,
    /// Start of the event; in the future.
    starts_at: DateTime,
    /// End of the event; within a year after its start.
    ends_at: DateTime,
    /// Number of tickets of the event; 1 to 1,000,000.
    capacity: i32,
    /// Price of one ticket in `currency`, with no more decimals than the currency has. It is shown, not collected.
    #[graphql(default_with = "Decimal(\"0\".into())")]
    price: Decimal,
    /// Currency of all prices of the event; any ISO 4217 currency in use.
    #[graphql(default_with = "CurrencyCode(\"EUR\".into())")]
    currency: CurrencyCode,
    /// Text of your choice: a repeated request with the same key returns the first outcome. 1 to 255 visible ASCII
    /// characters; the service keeps it for at least 24 hours.
    idempotency_key: Option<String>,
}

/// Changes to an event; fields that are left out keep their value.
#[derive(InputObject)]
pub struct UpdateEventInput {
    /// Id of the event to change.
    event_id: ID,
    /// Title of the event; up to 200 characters.
    title: Option<String>,
    /// Description of the event; up to 10,000 characters, several lines allowed.
    description: Option<String>,
    /// Place where the event happens; up to 200 characters.
    venue: Option<String>,
    /// IANA time zone of the venue, such as `Europe/Berlin`.
    time_zone: Option<String>,
    /// Start of the event; in the future. It cannot change once the event has begun.
    starts_at: Option<DateTime>,
    /// End of the event; in the future, and within a year after its start.
    ends_at: Option<DateTime>,
    /// Price of one ticket from now on, in the event's currency. It cannot change once the event has begun.
    price: Option<Decimal>,
}

/// Event to publish, call off or delete.
#[derive(InputObject)]
pub struct EventInput {
    /// Id of the event.
    event_id: ID,
}

/// Event and its new capacity.
#[derive(InputObject)]
pub struct SetCapacityInput {
    /// Id of the event.
    event_id: ID,
    /// Number of tickets that the event gets; not below the tickets that are sold or held.
    capacity: i32,
}

/// Outcome of `createEvent`, `publishEvent`, `cancelEvent` and `setEventCapacity`.
#[derive(SimpleObject, Default)]
pub struct EventPayload {
    /// The event after the change; null when the request was refused.
    event: Option<Event>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `updateEvent`.
#[derive(SimpleObject, Default)]
pub struct UpdateEventPayload {
    /// The event after the change; null when the request was refused.
    event: Option<Event>,
    /// Fields with a new value. For a published event, customers with an active booking or a waitlist entry are
    /// notified of them.
    changed: Vec<EventField>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `deleteEvent`.
#[derive(SimpleObject, Default)]
pub struct DeleteEventPayload {
    /// Id of the deleted draft; null when the request was refused.
    deleted_id: Option<ID>,
    /// Reasons for a refusal; empty on success.
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
        // When a request is repeated, the event may belong to another organizer by now.
        Some(row) if crate::event::may_see(acting, &row) => Ok(Some(Event(row))),
        // A draft may have been deleted in the meantime, or since the idempotency key was used.
        _ => Err(Fault::NotFound.error("There is no such event any more.")),
    }
}

/// Mutations about events.
#[derive(Default)]
pub struct EventMutation;

#[Object]
impl EventMutation {
    /// Creates a draft with one slot and one ticket type. Needs ORGANIZER (OWNER or MANAGER of the organizer).
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn create_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Details of the event.")] input: CreateEventInput,
    ) -> Result<Option<EventPayload>> {
        let new = create::NewEvent {
            organizer: input.organizer_id.as_ref().map(id_or_nobody).transpose()?,
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

    /// Changes a draft, or a published event that is not over. Customers with an active booking or a waitlist entry are
    /// notified of the changes. Once the event has begun, `startsAt` and `price` cannot change. Needs ORGANIZER (OWNER
    /// or MANAGER of the organizer) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn update_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Event and its changes.")] input: UpdateEventInput,
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

    /// Publishes a draft: it becomes public and customers may book it. Needs ORGANIZER (OWNER or MANAGER of the
    /// organizer) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn publish_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Event to publish.")] input: EventInput,
    ) -> Result<Option<EventPayload>> {
        payload(ctx, publish::publish(acting(ctx)?, id_or_nobody(&input.event_id)?).await).await
    }

    /// Calls off a published event: it can no longer be booked, its bookings are cancelled, its waitlist is closed, and
    /// customers with a booking or a waitlist entry are notified. Needs ORGANIZER (OWNER or MANAGER of the
    /// organizer) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn cancel_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Event to call off.")] input: EventInput,
    ) -> Result<Option<EventPayload>> {
        payload(ctx, crate::booking::call_off::call_off(acting(ctx)?, id_or_nobody(&input.event_id)?).await).await
    }

    /// Deletes a draft. A published event can only be called off (`cancelEvent`). Needs ORGANIZER (OWNER or MANAGER of
    /// the organizer) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn delete_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Event to delete.")] input: EventInput,
    ) -> Result<Option<DeleteEventPayload>> {
        Ok(Some(match delete::delete(acting(ctx)?, id_or_nobody(&input.event_id)?).await {
            Ok(gone) => DeleteEventPayload { deleted_id: Some(id(gone)), user_errors: Vec::new() },
            Err(error) => DeleteEventPayload { deleted_id: None, user_errors: error.into_user_error()? },
        }))
    }

    /// Raises or lowers the number of tickets of an event that has not begun. New tickets go to the waitlist first.
    /// Needs ORGANIZER (OWNER or MANAGER of the organizer) or ADMIN.
    #[graphql(guard = "May(Action::ManageEvents)")]
    async fn set_event_capacity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Event and its new capacity.")] input: SetCapacityInput,
    ) -> Result<Option<EventPayload>> {
        let event = id_or_nobody(&input.event_id)?;
        payload(ctx, crate::booking::capacity::set_capacity(acting(ctx)?, event, input.capacity.into()).await).await
    }
}
