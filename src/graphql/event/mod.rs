//! All GraphQL about an event: the object with its slots, ticket types and availability, and its mutations.
//! Not here: the rules (`crate::event`, `crate::booking`), lists of events (`catalog`), and bookings as organizers see
//! them (`sales`).

use async_graphql::{Context, ID, Object, Result};

use crate::access::Action;
use crate::entity::{event, slot, ticket_type};
use crate::graphql::availability::{Availability, SlotAvailability};
use crate::graphql::booking::Booking;
use crate::graphql::guard::May;
use crate::graphql::load::{AvailabilityOf, Load, SlotAvailabilityOf, SlotsOf, TypesOf, failed};
use crate::graphql::organizer::{Organizer, organizer_by_id};
use crate::graphql::page::{Args, id, length};
use crate::graphql::scalar::{DateTime, Money, id_or_nobody};
use crate::graphql::waitlist::WaitlistEntry;
use crate::status::{Confirmation, EventStatus};
use crate::zone;

pub mod mutations;

/// An event that customers can book.
pub struct Event(pub event::Model);

/// An event that customers can book, with a title, a venue, slots and tickets. Published events are public; a draft is
/// visible to the members of its organizer and to ADMIN only.
#[Object]
impl Event {
    /// Opaque id of the event.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Readable part of links to the event; it never changes.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Title of the event.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Description of the event; may have several lines.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Place where the event happens.
    async fn venue(&self) -> &str {
        &self.0.venue
    }

    /// IANA time zone of the venue, for showing local times.
    async fn time_zone(&self) -> &str {
        &self.0.time_zone
    }

    /// Start of the event; tickets can be booked until then.
    async fn starts_at(&self) -> DateTime {
        DateTime(self.0.starts_at)
    }

    /// End of the event.
    async fn ends_at(&self) -> DateTime {
        DateTime(self.0.ends_at)
    }

    /// Current status of the event.
    async fn status(&self) -> EventStatus {
        self.0.status
    }

    /// Confirmation policy of the event: the steps by which a booking becomes confirmed.
    async fn confirmation(&self) -> Confirmation {
        self.0.confirmation
    }

    /// Organizer that sells the event.
    async fn organizer(&self, ctx: &Context<'_>) -> Result<Option<Organizer>> {
        organizer_by_id(ctx, self.0.organizer_id).await
    }

    /// Price of one ticket; null when the event has several ticket types, which have prices of their own.
    async fn price(&self, ctx: &Context<'_>) -> Result<Option<Money>> {
        // Two are enough to know that there are several.
        let key = TypesOf { event: self.0.id, first: 2, after: None };
        match ctx.data::<Load>()?.load_one(key).await.map_err(failed)?.unwrap_or_default().as_slice() {
            [only] => Ok(Some(Money::of(only.price_minor, &self.0.currency)?)),
            _ => Ok(None),
        }
    }

    /// Slots of the event: its bookable dates and times, earliest first.
    async fn slots(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of slots at most, 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "Only slots after the slot with this id.")] after: Option<ID>,
    ) -> Result<Vec<Slot>> {
        let after = after.as_ref().map(id_or_nobody).transpose()?;
        let key = SlotsOf { event: self.0.id, first: length(first)?, after };
        let rows = ctx.data::<Load>()?.load_one(key).await.map_err(failed)?;
        Ok(rows.unwrap_or_default().into_iter().map(Slot).collect())
    }

    /// Ticket types of the event, in display order.
    async fn ticket_types(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of ticket types at most, 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "Only ticket types after the ticket type with this id.")] after: Option<ID>,
    ) -> Result<Vec<TicketType>> {
        let after = after.as_ref().map(id_or_nobody).transpose()?;
        let key = TypesOf { event: self.0.id, first: length(first)?, after };
        let rows = ctx.data::<Load>()?.load_one(key).await.map_err(failed)?.unwrap_or_default();
        let currency = &self.0.currency;
        Ok(rows.into_iter().map(|row| TicketType { row, currency: currency.clone() }).collect())
    }

    /// Start in the venue's time zone, with the UTC offset valid there at that time: `2027-06-05T19:00:00+02:00`.
    async fn starts_at_local(&self) -> String {
        zone::local(self.0.starts_at, &self.0.time_zone)
    }

    /// End in the venue's time zone, with the UTC offset valid there at that time.
    async fn ends_at_local(&self) -> String {
        zone::local(self.0.ends_at, &self.0.time_zone)
    }

    /// Start and end in words, in the venue's time zone: `Sat 5 June 2027, 19:00 to 22:00`.
    async fn time_text(&self) -> String {
        zone::span(self.0.starts_at, self.0.ends_at, &self.0.time_zone)
    }

    /// Ticket availability of the event at the time of this read.
    async fn availability(&self, ctx: &Context<'_>) -> Result<Option<Availability>> {
        let found = ctx.data::<Load>()?.load_one(AvailabilityOf(self.0.id)).await.map_err(failed)?;
        Ok(found.map(Availability::from))
    }

    /// Your newest bookings of the event, at most 20, newest first; `Query.myBookings` lists all. Null unless you are a
    /// CUSTOMER, without an error.
    async fn my_bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only bookings in this status.")] status: Option<crate::status::BookingStatus>,
    ) -> Result<Option<Vec<Booking>>> {
        crate::graphql::mine::bookings(ctx, self.0.id, status).await
    }

    /// Your entry that waits for tickets of the event; the oldest one if there are several. Null when you do not wait.
    /// Null unless you are a CUSTOMER, without an error.
    async fn my_waitlist_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only an entry for this ticket type.")] ticket_type_id: Option<ID>,
    ) -> Result<Option<WaitlistEntry>> {
        crate::graphql::mine::waitlist_entry(ctx, self.0.id, ticket_type_id).await
    }

    /// Time of publication; null for drafts.
    async fn published_at(&self) -> Option<DateTime> {
        self.0.published_at.map(DateTime)
    }

    /// Time of creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Time of the last change.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// Bookings of the event, newest first. Needs ORGANIZER (OWNER, MANAGER or DOOR_STAFF of the organizer) or
    /// ADMIN; null otherwise.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only bookings in this status.")] status: Option<crate::status::BookingStatus>,
    ) -> Result<Option<crate::graphql::sales::BookingConnection>> {
        crate::graphql::sales::bookings(ctx, &self.0, Args { first, after, last, before }, status).await
    }

    /// Customers with confirmed bookings of the event, each once. Needs ORGANIZER (OWNER, MANAGER or DOOR_STAFF of the
    /// organizer) or ADMIN; null otherwise.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn participants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size, 1 to 100.")] first: i32,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
    ) -> Result<Option<crate::graphql::sales::ParticipantConnection>> {
        crate::graphql::sales::participants(ctx, &self.0, Args { first: Some(first), after, ..Args::default() }).await
    }

    /// Waitlist of the event, front first. Needs ORGANIZER (OWNER, MANAGER or DOOR_STAFF of the organizer) or
    /// ADMIN; null otherwise.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn waitlist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<crate::graphql::sales::EventWaitlistConnection>> {
        crate::graphql::sales::waitlist(ctx, &self.0, Args { first, after, last, before }).await
    }
}

/// One bookable date and time of an event.
pub struct Slot(pub slot::Model);

/// One bookable date and time of an event.
#[Object]
impl Slot {
    /// Opaque id of the slot.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Start of the slot.
    async fn starts_at(&self) -> DateTime {
        DateTime(self.0.starts_at)
    }

    /// End of the slot.
    async fn ends_at(&self) -> DateTime {
        DateTime(self.0.ends_at)
    }

    /// Ticket availability of the slot at the time of this read. Tickets that slots share count in each of them.
    async fn availability(&self, ctx: &Context<'_>) -> Result<Option<SlotAvailability>> {
        let found = ctx.data::<Load>()?.load_one(SlotAvailabilityOf(self.0.id)).await.map_err(failed)?;
        Ok(found.map(SlotAvailability::from))
    }
}

/// A category of tickets at a price.
pub struct TicketType {
    /// Stored ticket type.
    pub row: ticket_type::Model,
    /// Currency of the event.
    pub currency: String,
}

/// A category of tickets at a price.
#[Object]
impl TicketType {
    /// Opaque id of the ticket type.
    async fn id(&self) -> ID {
        id(self.row.id)
    }

    /// Name of the ticket type.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// Current price of one ticket. A booking keeps the price at which it was made.
    async fn price(&self) -> Result<Money> {
        Money::of(self.row.price_minor, &self.currency)
    }
}
