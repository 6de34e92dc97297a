//! All GraphQL about bookings: the object, the queries, the mutations and the subscriptions.
//! Not here: the waitlist (`waitlist`), bookings as organizers see them (`sales`), and the rules (`crate::booking`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Enum, ID, Object, Result};
use tokio::sync::OnceCell;

use crate::access::Action;
use crate::booking::list::{self, BookingKey, BookingScope, Filter};
use crate::engine::fault::Fault;
use crate::entity::{booking, booking_item};
use crate::graphql::account::User;
use crate::graphql::error::{db_fault, int};
use crate::graphql::event::{Event, Slot, TicketType};
use crate::graphql::expensive;
use crate::graphql::guard::{May, acting};
use crate::graphql::load::{ItemsOf, Load, failed};
use crate::graphql::page::{Args, Cursor, connection, id};
use crate::graphql::scalar::{DateTime, Money, id_of, id_or_nobody};
use crate::graphql::waitlist::WaitlistEntry;
use crate::id::{BookingId, EventId, UserId};
use crate::page::Count;
use crate::status::{BookingStatus, CancelReason};

pub mod live;
pub mod mutations;

/// Tickets that a customer booked together.
#[derive(Clone)]
pub struct Booking(pub booking::Model);

/// Tickets of one event that a customer booked together. Visible to its customer, to OWNER, MANAGER and DOOR_STAFF of
/// the organizer, and to ADMIN.
#[Object]
impl Booking {
    /// Opaque id of the booking.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Short code to read out or type in, such as `EVT-7K3F9Q`. It has no letters or digits that look alike.
    async fn reference(&self) -> &str {
        &self.0.reference
    }

    /// Current status of the booking.
    async fn status(&self) -> BookingStatus {
        self.0.status
    }

    /// Event that is booked.
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<Event>> {
        Ok(ctx.data::<Load>()?.load_one(self.0.event_id).await.map_err(failed)?.map(Event))
    }

    /// Slot of the event that is booked.
    async fn slot(&self, ctx: &Context<'_>) -> Result<Option<Slot>> {
        Ok(ctx.data::<Load>()?.load_one(self.0.slot_id).await.map_err(failed)?.map(Slot))
    }

    /// Items of the booking, one per ticket type, each with a quantity and a price.
    async fn items(&self, ctx: &Context<'_>) -> Result<Vec<BookingItem>> {
        let load = ctx.data::<Load>()?;
        let lines = self.lines(ctx).await?;
        let types = load.load_many(lines.iter().map(|row| row.ticket_type_id)).await.map_err(failed)?;
        let currency = self.currency(ctx).await?;
        let item = |row: booking_item::Model| {
            let kind = types.get(&row.ticket_type_id).cloned();
            BookingItem {
                row,
                kind: kind.map(|row| TicketType { row, currency: currency.clone() }),
                currency: currency.clone(),
            }
        };
        Ok(lines.into_iter().map(item).collect())
    }

    /// Number of tickets in all items.
    async fn quantity(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(self.lines(ctx).await?.iter().map(|item| item.quantity).sum()))
    }

    /// Total price of all items, at the prices at the time of booking. It is shown, not collected.
    async fn total(&self, ctx: &Context<'_>) -> Result<Money> {
        let items = self.lines(ctx).await?;
        let total = items.iter().map(|item| item.quantity.saturating_mul(item.unit_price_minor)).sum();
        Money::of(total, &self.currency(ctx).await?)
    }

    /// Customer who holds the booking.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        // A viewer who may see a booking (`sees`) is its customer, its seller or an admin: each may reach the customer.
        Ok(ctx.data::<Load>()?.load_one(self.0.user_id).await.map_err(failed)?.map(User::customer))
    }

    /// Waitlist entry that was given the tickets; null when the customer booked them directly, and when you may not see
    /// the entry.
    async fn promoted_from(&self, ctx: &Context<'_>) -> Result<Option<WaitlistEntry>> {
        let Some(entry) = self.0.entry_id else { return Ok(None) };
        let Some(row) = ctx.data::<Load>()?.load_one(entry).await.map_err(failed)? else { return Ok(None) };
        Ok(sees(ctx, row.user_id, row.event_id).await?.then_some(WaitlistEntry(row)))
    }

    /// Reason for the cancellation; null when the booking is not cancelled.
    async fn cancel_reason(&self) -> Option<CancelReason> {
        self.0.cancel_reason
    }

    /// Time of booking.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Time of the last change.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

impl Booking {
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<booking_item::Model>> {
        Ok(ctx.data::<Load>()?.load_one(ItemsOf(self.0.id)).await.map_err(failed)?.unwrap_or_default())
    }

    async fn currency(&self, ctx: &Context<'_>) -> Result<String> {
        let event = ctx.data::<Load>()?.load_one(self.0.event_id).await.map_err(failed)?;
        Ok(event.map(|event| event.currency).unwrap_or_default())
    }
}

/// One item of a booking.
pub struct BookingItem {
    row: booking_item::Model,
    kind: Option<TicketType>,
    currency: String,
}

/// One item of a booking: a ticket type with a quantity and a price.
#[Object]
impl BookingItem {
    /// Opaque id of the item.
    async fn id(&self) -> ID {
        id(self.row.id)
    }

    /// Ticket type of the item.
    async fn ticket_type(&self) -> Option<&TicketType> {
        self.kind.as_ref()
    }

    /// Number of tickets of this type.
    async fn quantity(&self) -> i32 {
        int(self.row.quantity)
    }

    /// Price of one ticket at the time of booking.
    async fn unit_price(&self) -> Result<Money> {
        Money::of(self.row.unit_price_minor, &self.currency)
    }
}

/// Position of events in time, for filtering a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum When {
    /// Events that are not over.
    Upcoming,
    /// Events that are over.
    Past,
}

/// Fields of a booking list beside its page.
pub struct BookingList {
    whose: BookingScope,
    filter: Filter,
    count: OnceCell<Count>,
}

#[Object]
impl BookingList {
    /// Number of bookings on all pages, at most 1,000; `totalCountCapped` is true when there are more. Counted only
    /// when this field is selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(self.count(ctx).await?.n))
    }

    /// True when there are more than the 1,000 that `totalCount` is limited to.
    async fn total_count_capped(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.count(ctx).await?.is_capped)
    }
}

impl BookingList {
    async fn count(&self, ctx: &Context<'_>) -> Result<Count> {
        let count = async || {
            let _turn = expensive::turn(ctx).await?;
            let count = list::count_bookings(acting(ctx)?.db.read(), self.whose, self.filter).await;
            count.map_err(|error| db_fault(&error))
        };
        self.count.get_or_try_init(count).await.copied()
    }
}

/// A page of bookings.
pub type BookingConnection = Connection<Cursor<BookingId>, Booking, BookingList, EmptyFields>;

/// Returns one page of the bookings of a customer or of an event.
pub(super) async fn page(
    ctx: &Context<'_>,
    whose: BookingScope,
    filter: Filter,
    args: Args,
) -> Result<Option<BookingConnection>> {
    let paging = args.paging()?;
    let page = list::bookings(acting(ctx)?.db.read(), whose, filter, &paging).await.map_err(|e| db_fault(&e))?;
    Ok(Some(connection(page, BookingList { whose, filter, count: OnceCell::new() }, |row| row.id, Booking)))
}

/// Returns the signed-in user; the field's guard has refused requests without one.
pub(super) fn me(ctx: &Context<'_>) -> Result<UserId> {
    acting(ctx)?.actor.user_id().ok_or_else(|| Fault::Unauthenticated.error("Sign in first."))
}

/// Returns true if the viewer may see this customer's bookings and waitlist entries of this event. For rows that do not
/// come from a list or look-up, which check this themselves.
pub(super) async fn sees(ctx: &Context<'_>, customer: UserId, event: EventId) -> Result<bool> {
    let Some(event) = ctx.data::<Load>()?.load_one(event).await.map_err(failed)? else { return Ok(false) };
    Ok(acting(ctx)?.allow(Action::BookingOf { customer, organizer: event.organizer_id }).is_ok())
}

/// Returns the booking with this id if the viewer may see it.
pub(super) async fn seen(ctx: &Context<'_>, id: BookingId) -> Result<Option<Booking>> {
    let Some(row) = ctx.data::<Load>()?.load_one(id).await.map_err(failed)? else { return Ok(None) };
    Ok(sees(ctx, row.user_id, row.event_id).await?.then_some(Booking(row)))
}

/// Queries about bookings.
#[derive(Default)]
pub struct BookingQuery;

#[Object]
impl BookingQuery {
    /// One booking, by either id or reference; null when there is none that you may see. Needs a signed-in user: the
    /// CUSTOMER of the booking, an OWNER, MANAGER or DOOR_STAFF of the organizer, or ADMIN.
    #[graphql(guard = "May(Action::UseAccount)")]
    async fn booking(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the booking.")] id: Option<ID>,
        #[graphql(desc = "Reference of the booking, in upper or lower case.")] reference: Option<String>,
    ) -> Result<Option<Booking>> {
        let which = match (id, reference) {
            (Some(id), None) => match id_of(&id)? {
                Some(id) => BookingKey::Id(id),
                None => return Ok(None),
            },
            (None, Some(reference)) => BookingKey::Reference(reference),
            _ => return Err(Fault::BadUserInput.error("Name the booking by either id or reference.")),
        };
        let found = list::visible(acting(ctx)?, which).await.map_err(|error| db_fault(&error))?;
        Ok(found.map(Booking))
    }

    /// Your bookings, newest first. Needs CUSTOMER; null otherwise.
    #[graphql(guard = "May(Action::BookTickets)")]
    #[expect(clippy::too_many_arguments, reason = "Relay's four, and what to list")]
    async fn my_bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only bookings in this status.")] status: Option<BookingStatus>,
        #[graphql(desc = "Only bookings of this event.")] event_id: Option<ID>,
        #[graphql(desc = "Only bookings of upcoming or of past events.")] when: Option<When>,
    ) -> Result<Option<BookingConnection>> {
        let now = acting(ctx)?.now();
        let filter = Filter {
            status,
            event: event_id.as_ref().map(id_or_nobody).transpose()?,
            upcoming: when.map(|when| (when == When::Upcoming, now)),
        };
        page(ctx, BookingScope::Customer(me(ctx)?), filter, Args { first, after, last, before }).await
    }
}
