//! All GraphQL about an event: the object, its dates, kinds of tickets and availability, and running it.
//! Not here: rules (`crate::event`, `crate::booking`), finding events (`catalog`), and who booked (`sales`).

use async_graphql::{Context, ID, Object, Result};

use crate::access::Action;
use crate::entity::{event, slot, ticket_type};
use crate::graphql::account::{Organizer, organizer_by_id};
use crate::graphql::availability::Availability;
use crate::graphql::booking::Booking;
use crate::graphql::guard::May;
use crate::graphql::load::{AvailabilityOf, Load, SlotsOf, TypesOf, failed};
use crate::graphql::page::{Args, id};
use crate::graphql::scalar::{DateTime, Money};
use crate::graphql::waitlist::WaitlistEntry;
use crate::status::{Confirmation, EventStatus};
use crate::zone;

pub mod mutations;

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
        crate::graphql::mine::bookings(ctx, self.0.id, status).await
    }

    /// Your entry that waits for its tickets; the oldest one when you wait for several ticket types. Null when you do not
    /// wait. Null unless you are a CUSTOMER.
    async fn my_waitlist_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only for this ticket type.")] ticket_type_id: Option<ID>,
    ) -> Result<Option<WaitlistEntry>> {
        crate::graphql::mine::waitlist_entry(ctx, self.0.id, ticket_type_id).await
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
    ) -> Result<Option<crate::graphql::sales::BookingConnection>> {
        crate::graphql::sales::bookings(ctx, &self.0, Args { first, after, last, before }, status).await
    }

    /// Who has tickets, one entry per person. Needs ORGANIZER (own events) or ADMIN.
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn participants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<crate::graphql::sales::ParticipantConnection>> {
        crate::graphql::sales::participants(ctx, &self.0, Args { first: Some(first), after, ..Args::default() }).await
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
    ) -> Result<Option<crate::graphql::sales::LineConnection>> {
        crate::graphql::sales::line(ctx, &self.0, Args { first, after, last, before }).await
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
