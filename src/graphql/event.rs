//! All GraphQL about an event: the object, its dates, kinds of tickets and availability, and running it.
//! Not here: rules (`crate::event`, `crate::booking`), finding events (`catalog`), and who booked (`sales`).

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::account::{Organizer, organizer_by_id};
use super::availability::Availability;
use super::booking::Booking;
use super::error::{IntoUserError, UserError};
use super::fault::Fault;
use super::guard::{May, acting};
use super::load::{AvailabilityOf, Load, SlotsOf, TypesOf, failed};
use super::page::{Args, id};
use super::scalar::{CurrencyCode, DateTime, Decimal, Money, id_or_nobody};
use super::waitlist::WaitlistEntry;
use crate::access::Action;
use crate::entity::{event, slot, ticket_type};
use crate::event::{create, delete, edit, publish};
use crate::id::EventId;
use crate::status::{Confirmation, EventField, EventStatus};
use crate::zone;

/// What one can book.
pub struct Event(pub event::Model);

/// What one can book: a title, a venue, dates and tickets. Everybody sees published events; drafts are their organizer's.
#[Object]
impl Event {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Readable address; fixed once given.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// What it is called.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What it is about; may have several lines.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Where it takes place.
    async fn venue(&self) -> &str {
        &self.0.venue
    }

    /// IANA time zone of the venue, for showing local times.
    async fn time_zone(&self) -> &str {
        &self.0.time_zone
    }

    /// When it begins; tickets can be booked until then.
    async fn starts_at(&self) -> DateTime {
        DateTime(self.0.starts_at)
    }

    /// When it ends.
    async fn ends_at(&self) -> DateTime {
        DateTime(self.0.ends_at)
    }

    /// Where it stands in its life.
    async fn status(&self) -> EventStatus {
        self.0.status
    }

    /// How a booking becomes confirmed.
    async fn confirmation(&self) -> Confirmation {
        self.0.confirmation
    }

    /// Who sells it.
    async fn organizer(&self, ctx: &Context<'_>) -> Result<Option<Organizer>> {
        organizer_by_id(ctx, self.0.organizer_id).await
    }

    /// What a ticket costs, when there is one kind of place; null when there are several.
    async fn price(&self, ctx: &Context<'_>) -> Result<Option<Money>> {
        match self.types(ctx).await?.as_slice() {
            [only] => Ok(Some(Money::of(only.price_minor, &self.0.currency)?)),
            _ => Ok(None),
        }
    }

    /// Its dates.
    async fn slots(&self, ctx: &Context<'_>) -> Result<Vec<Slot>> {
        let rows = ctx.data::<Load>()?.load_one(SlotsOf(self.0.id)).await.map_err(failed)?;
        Ok(rows.unwrap_or_default().into_iter().map(Slot).collect())
    }

    /// Its kinds of tickets, in page order.
    async fn ticket_types(&self, ctx: &Context<'_>) -> Result<Vec<TicketType>> {
        let currency = &self.0.currency;
        Ok(self.types(ctx).await?.into_iter().map(|row| TicketType { row, currency: currency.clone() }).collect())
    }

    /// When it begins, in the venue's time zone, with the offset that holds there then: `2027-06-05T19:00:00+02:00`.
    async fn starts_at_local(&self) -> String {
        zone::local(self.0.starts_at, &self.0.time_zone)
    }

    /// When it ends, in the venue's time zone, with the offset that holds there then.
    async fn ends_at_local(&self) -> String {
        zone::local(self.0.ends_at, &self.0.time_zone)
    }

    /// When it takes place, in words and in the venue's time zone: `Sat 5 June 2027, 19:00 to 22:00`.
    async fn time_text(&self) -> String {
        zone::span(self.0.starts_at, self.0.ends_at, &self.0.time_zone)
    }

    /// How its tickets stand, exactly as committed when this was read.
    async fn availability(&self, ctx: &Context<'_>) -> Result<Option<Availability>> {
        let found = ctx.data::<Load>()?.load_one(AvailabilityOf(self.0.id)).await.map_err(failed)?;
        Ok(found.map(Availability::from))
    }

    /// Your bookings of it, newest first, 20 at most; `Query.myBookings` pages through more. Null unless you are a CUSTOMER.
    async fn my_bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those in this status.")] status: Option<crate::status::BookingStatus>,
    ) -> Result<Option<Vec<Booking>>> {
        super::mine::bookings(ctx, self.0.id, status).await
    }

    /// Your entry that waits for its tickets; the oldest one when you wait for several ticket types. Null when you do not
    /// wait. Null unless you are a CUSTOMER.
    async fn my_waitlist_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only for this ticket type.")] ticket_type_id: Option<ID>,
    ) -> Result<Option<WaitlistEntry>> {
        super::mine::waitlist_entry(ctx, self.0.id, ticket_type_id).await
    }

    /// When it was published; null for drafts.
    async fn published_at(&self) -> Option<DateTime> {
        self.0.published_at.map(DateTime)
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// Its bookings, newest first. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those in this status.")] status: Option<crate::status::BookingStatus>,
    ) -> Result<Option<super::sales::BookingConnection>> {
        super::sales::bookings(ctx, &self.0, Args { first, after, last, before }, status).await
    }

    /// Who has tickets, one entry per person. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn participants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<super::sales::ParticipantConnection>> {
        super::sales::participants(ctx, &self.0, Args { first: Some(first), after, ..Args::default() }).await
    }

    /// Who waits for tickets, front of the waitlist first. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn waitlist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<Option<super::sales::LineConnection>> {
        super::sales::line(ctx, &self.0, Args { first, after, last, before }).await
    }
}

impl Event {
    async fn types(&self, ctx: &Context<'_>) -> Result<Vec<ticket_type::Model>> {
        let rows = ctx.data::<Load>()?.load_one(TypesOf(self.0.id)).await.map_err(failed)?;
        Ok(rows.unwrap_or_default())
    }
}

/// One bookable date and time of an event.
pub struct Slot(pub slot::Model);

/// One bookable date and time of an event.
#[Object]
impl Slot {
    /// Opaque id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// When it begins.
    async fn starts_at(&self) -> DateTime {
        DateTime(self.0.starts_at)
    }

    /// When it ends.
    async fn ends_at(&self) -> DateTime {
        DateTime(self.0.ends_at)
    }
}

/// A kind of place at a price.
pub struct TicketType {
    /// The row.
    pub row: ticket_type::Model,
    /// Currency of the event.
    pub currency: String,
}

/// A kind of place at a price.
#[Object]
impl TicketType {
    /// Opaque id.
    async fn id(&self) -> ID {
        id(self.row.id)
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// What one ticket costs now. Bookings keep the price they were made at.
    async fn price(&self) -> Result<Money> {
        Money::of(self.row.price_minor, &self.currency)
    }
}

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
