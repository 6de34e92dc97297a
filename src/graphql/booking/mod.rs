//! All GraphQL about bookings: the object, booking tickets, cancelling, looking up.
//! Not here: the waitlist (`waitlist`), what organizers see (`sales`), and rules (`crate::booking`).

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
use crate::graphql::load::{ItemsOf, Load, SlotsOf, TypesOf, failed};
use crate::graphql::page::{Args, Cursor, connection, id};
use crate::graphql::scalar::{DateTime, Money, id_of, id_or_nobody};
use crate::graphql::waitlist::WaitlistEntry;
use crate::id::{BookingId, EventId, UserId};
use crate::page::Count;
use crate::status::{BookingStatus, CancelReason};

pub mod live;
pub mod mutations;

/// A customer's claim on tickets.
#[derive(Clone)]
pub struct Booking(pub booking::Model);

/// A customer's claim on tickets of an event. Seen by its customer, its organizer and admins.
#[Object]
impl Booking {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// What people read out, such as EVT-7K3F9Q; no letters or digits that look alike.
    async fn reference(&self) -> &str {
        &self.0.reference
    }

    /// Where it stands in its life.
    async fn status(&self) -> BookingStatus {
        self.0.status
    }

    /// The event.
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<Event>> {
        Ok(ctx.data::<Load>()?.load_one(self.0.event_id).await.map_err(failed)?.map(Event))
    }

    /// Which of the event's dates.
    async fn slot(&self, ctx: &Context<'_>) -> Result<Option<Slot>> {
        let slots = ctx.data::<Load>()?.load_one(SlotsOf(self.0.event_id)).await.map_err(failed)?;
        Ok(slots.unwrap_or_default().into_iter().find(|slot| slot.id == self.0.slot_id).map(Slot))
    }

    /// Its lines: which kinds of tickets, how many, at which price.
    async fn items(&self, ctx: &Context<'_>) -> Result<Vec<BookingItem>> {
        let load = ctx.data::<Load>()?;
        let types = load.load_one(TypesOf(self.0.event_id)).await.map_err(failed)?.unwrap_or_default();
        let currency = self.currency(ctx).await?;
        let item = |row: booking_item::Model| {
            let kind = types.iter().find(|kind| kind.id == row.ticket_type_id).cloned();
            BookingItem {
                row,
                kind: kind.map(|row| TicketType { row, currency: currency.clone() }),
                currency: currency.clone(),
            }
        };
        Ok(self.lines(ctx).await?.into_iter().map(item).collect())
    }

    /// How many tickets.
    async fn quantity(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(self.lines(ctx).await?.iter().map(|item| item.quantity).sum()))
    }

    /// What it costs in all, at the prices it was made at. Shown, not collected.
    async fn total(&self, ctx: &Context<'_>) -> Result<Money> {
        let items = self.lines(ctx).await?;
        let total = items.iter().map(|item| item.quantity.saturating_mul(item.unit_price_minor)).sum();
        Money::of(total, &self.currency(ctx).await?)
    }

    /// Whose it is.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        // Whoever sees a booking (`sees`) is its customer, sells it, or is an admin: all may reach the customer.
        Ok(ctx.data::<Load>()?.load_one(self.0.user_id).await.map_err(failed)?.map(User::customer))
    }

    /// The waitlist entry it was promoted from; null when it was booked directly, and when that place is not yours to
    /// see.
    async fn promoted_from(&self, ctx: &Context<'_>) -> Result<Option<WaitlistEntry>> {
        let Some(entry) = self.0.entry_id else { return Ok(None) };
        let Some(row) = ctx.data::<Load>()?.load_one(entry).await.map_err(failed)? else { return Ok(None) };
        Ok(sees(ctx, row.user_id, row.event_id).await?.then_some(WaitlistEntry(row)))
    }

    /// Why it was cancelled; null unless it was.
    async fn cancel_reason(&self) -> Option<CancelReason> {
        self.0.cancel_reason
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed.
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

/// One line of a booking.
pub struct BookingItem {
    row: booking_item::Model,
    kind: Option<TicketType>,
    currency: String,
}

/// One line of a booking: a kind of place, how many, at which price.
#[Object]
impl BookingItem {
    /// Opaque id.
    async fn id(&self) -> ID {
        id(self.row.id)
    }

    /// Which kind of place.
    async fn ticket_type(&self) -> Option<&TicketType> {
        self.kind.as_ref()
    }

    /// How many tickets.
    async fn quantity(&self) -> i32 {
        int(self.row.quantity)
    }

    /// What one ticket cost when it was booked.
    async fn unit_price(&self) -> Result<Money> {
        Money::of(self.row.unit_price_minor, &self.currency)
    }
}

/// Where the events of a list lie in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum When {
    /// Not over yet.
    Upcoming,
    /// Over.
    Past,
}

/// What a list of bookings can tell besides its page.
pub struct BookingList {
    whose: BookingScope,
    filter: Filter,
    count: OnceCell<Count>,
}

#[Object]
impl BookingList {
    /// Number of bookings on all pages, 1,000 at most; `totalCountCapped` tells whether there are more. Counted only when
    /// asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(self.count(ctx).await?.n))
    }

    /// Whether there are more than the 1,000 that `totalCount` says.
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

/// One page of somebody's bookings.
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

/// The signed-in user; guards have let nobody else through.
pub(super) fn me(ctx: &Context<'_>) -> Result<UserId> {
    acting(ctx)?.actor.user_id().ok_or_else(|| Fault::Unauthenticated.error("Sign in first."))
}

/// Whether the viewer may see this customer's booking, or place in the waitlist, at this event. For rows that were reached by
/// another way than a list or a look-up that asked already.
pub(super) async fn sees(ctx: &Context<'_>, customer: UserId, event: EventId) -> Result<bool> {
    let Some(event) = ctx.data::<Load>()?.load_one(event).await.map_err(failed)? else { return Ok(false) };
    Ok(acting(ctx)?.allow(Action::BookingOf { customer, organizer: event.organizer_id }).is_ok())
}

/// The booking with this id, if the viewer may see it.
pub(super) async fn seen(ctx: &Context<'_>, id: BookingId) -> Result<Option<Booking>> {
    let Some(row) = ctx.data::<Load>()?.load_one(id).await.map_err(failed)? else { return Ok(None) };
    Ok(sees(ctx, row.user_id, row.event_id).await?.then_some(Booking(row)))
}

/// Queries about bookings.
#[derive(Default)]
pub struct BookingQuery;

#[Object]
impl BookingQuery {
    /// One booking, by id or reference; null when there is none you may see. Needs a signed-in user: its customer, its
    /// ORGANIZER, or ADMIN.
    #[graphql(guard = "May(Action::UseAccount)")]
    async fn booking(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: Option<ID>,
        #[graphql(desc = "Its reference, whatever the case.")] reference: Option<String>,
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

    /// Your bookings, newest first. Needs CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    #[expect(clippy::too_many_arguments, reason = "Relay's four, and what to list")]
    async fn my_bookings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those in this status.")] status: Option<BookingStatus>,
        #[graphql(desc = "Only those of this event.")] event_id: Option<ID>,
        #[graphql(desc = "Only those of events to come, or of past ones.")] when: Option<When>,
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
