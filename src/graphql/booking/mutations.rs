//! Mutations about bookings: create and cancel.
//! Not here: the objects in their payloads (`super`), and the decision itself (`crate::booking`).

use super::{Booking, sees};
use crate::access::Action;
use crate::booking::cancel::Cancelled;
use crate::booking::create::create;
use crate::booking::order::{Order, Placed};
use crate::graphql::Services;
use crate::graphql::error::{IntoUserError, UserError, int, stored};
use crate::graphql::event::Event;
use crate::graphql::guard::{May, acting};
use crate::graphql::load::{Load, failed};
use crate::graphql::scalar::{Decimal, id_or_nobody};
use crate::graphql::waitlist::WaitlistEntry;
use crate::id::{EntryId, EventId};
use crate::notification::words::tickets;
use crate::status::Fulfilment;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

/// Number of tickets of one ticket type.
#[derive(InputObject)]
pub struct BookingItemInput {
    /// Id of the ticket type.
    ticket_type_id: ID,
    /// Number of tickets of this type, at least 1; all items together have at most 100.
    quantity: i32,
}

/// Tickets to book.
#[derive(InputObject)]
pub struct CreateBookingInput {
    /// Id of the event.
    event_id: ID,
    /// Id of the slot; may be left out when the event has one slot.
    slot_id: Option<ID>,
    /// Number of tickets, 1 to 100, of an event with one ticket type; give either `quantity` or `items`.
    quantity: Option<i32>,
    /// Number of tickets per ticket type; give either `quantity` or `items`.
    items: Option<Vec<BookingItemInput>>,
    /// Action to take when fewer tickets are available than asked for.
    #[graphql(default_with = "Fulfilment::AllOrNothing")]
    fulfilment: Fulfilment,
    /// Total price of all tickets asked for, as shown to the customer, in the event's currency. If the total has
    /// changed, the request is refused as PRICE_CHANGED, with the current total.
    expected_total: Option<Decimal>,
    /// Text of your choice: a repeated request with the same key returns the first outcome. 1 to 255 visible ASCII
    /// characters; the service keeps it for at least 24 hours.
    idempotency_key: Option<String>,
}

/// Result of a `createBooking` request that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum BookingOutcome {
    /// All tickets were booked.
    Booked,
    /// The available tickets were booked; the rest of the request was dropped.
    PartiallyBooked,
    /// The available tickets were booked; you are on the waitlist for the rest.
    PartiallyBookedAndWaitlisted,
    /// No ticket was available; you are on the waitlist for all of them.
    Waitlisted,
}

/// Outcome of `createBooking`: the booking, the waitlist entries, or the reasons for a refusal.
#[derive(SimpleObject, Default)]
pub struct CreateBookingPayload {
    /// Result of the request; null when it was refused.
    outcome: Option<BookingOutcome>,
    /// The new booking; null when no ticket was booked.
    booking: Option<Booking>,
    /// Waitlist entry for the tickets that were not available; null when the request put none on the waitlist.
    waitlist_entry: Option<WaitlistEntry>,
    /// Waitlist entries of the request, one per ticket type; the first is also `waitlistEntry`.
    waitlist_entries: Vec<WaitlistEntry>,
    /// Number of tickets that this request booked.
    booked: i32,
    /// Number of tickets that this request put on the waitlist.
    waitlisted: i32,
    /// Sentence to show to the user; null when the request was refused.
    message: Option<String>,
    /// The event with its availability after the change; null when the request was refused.
    event: Option<Event>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Booking to cancel.
#[derive(InputObject)]
pub struct CancelBookingInput {
    /// Id of the booking.
    booking_id: ID,
}

/// Outcome of `cancelBooking`.
#[derive(SimpleObject, Default)]
pub struct CancelBookingPayload {
    /// The booking after the change; null when the request was refused, and for an API token that may cancel the
    /// booking but not read it.
    booking: Option<Booking>,
    /// The event with its availability after the change; null when the request was refused.
    event: Option<Event>,
    /// Waitlist entries of the booking's customer that do not get the returned tickets, because other customers come
    /// first. They may now be paused as TICKETS_GIVEN_BACK. Empty for a viewer who may not read the booking.
    passed_over: Vec<WaitlistEntry>,
    /// Sentence to show to the user; null when the request was refused.
    message: Option<String>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Loads the objects of an outcome by their ids, so that a repeated request returns their current state.
async fn placed(ctx: &Context<'_>, event: EventId, placed: Placed) -> Result<CreateBookingPayload> {
    let load = ctx.data::<Load>()?;
    let event = load.load_one(event).await.map_err(failed)?.map(Event);
    let booking = match placed.booking {
        Some(id) => {
            let row = stored(load.load_one(id).await.map_err(failed)?)?;
            // When a request is repeated, the booking may belong to another customer by now.
            sees(ctx, row.user_id, row.event_id).await?.then_some(Booking(row))
        }
        None => None,
    };
    let entries = entries(ctx, &placed.entries).await?;
    let outcome = match (placed.booked, placed.queued) {
        (0, _) => BookingOutcome::Waitlisted,
        (_, 0) if placed.booked < placed.requested => BookingOutcome::PartiallyBooked,
        (_, 0) => BookingOutcome::Booked,
        _ => BookingOutcome::PartiallyBookedAndWaitlisted,
    };
    let message = match outcome {
        BookingOutcome::Booked => format!("Booked {}.", tickets(placed.booked)),
        BookingOutcome::PartiallyBooked => {
            format!("Booked {} of {}. No more are available.", placed.booked, tickets(placed.requested))
        }
        BookingOutcome::PartiallyBookedAndWaitlisted => {
            format!("Booked {}. Remaining {} added to waitlist.", tickets(placed.booked), tickets(placed.queued))
        }
        BookingOutcome::Waitlisted => {
            format!("No tickets are available. {} added to waitlist.", tickets(placed.queued))
        }
    };
    Ok(CreateBookingPayload {
        outcome: Some(outcome),
        booking,
        waitlist_entry: entries.first().cloned(),
        waitlist_entries: entries,
        booked: int(placed.booked),
        waitlisted: int(placed.queued),
        message: Some(message),
        event,
        user_errors: Vec::new(),
    })
}

/// Loads those of these entries that the viewer may see, in this order: when a request is repeated, an entry may belong
/// to another customer by now.
async fn entries(ctx: &Context<'_>, ids: &[EntryId]) -> Result<Vec<WaitlistEntry>> {
    let rows = ctx.data::<Load>()?.load_many(ids.iter().copied()).await.map_err(failed)?;
    let mut shown = Vec::new();
    for id in ids {
        let row = stored(rows.get(id))?;
        if sees(ctx, row.user_id, row.event_id).await? {
            shown.push(WaitlistEntry(row.clone()));
        }
    }
    Ok(shown)
}

async fn cancelled(ctx: &Context<'_>, done: Cancelled) -> Result<CancelBookingPayload> {
    // An API token that may not read the booking may not read its customer's entries either.
    let row = stored(ctx.data::<Load>()?.load_one(done.booking).await.map_err(failed)?)?;
    let booking = sees(ctx, row.user_id, row.event_id).await?.then_some(Booking(row));
    let passed_over = if booking.is_some() { entries(ctx, &done.passed_over).await? } else { Vec::new() };
    let message = match passed_over.as_slice() {
        [] => "Cancelled.".to_owned(),
        _ => "Cancelled. The returned tickets go to other customers; your position on the waitlist is kept.".to_owned(),
    };
    let event = ctx.data::<Load>()?.load_one(done.event).await.map_err(failed)?.map(Event);
    Ok(CancelBookingPayload { booking, event, passed_over, message: Some(message), user_errors: Vec::new() })
}

/// Mutations about bookings.
#[derive(Default)]
pub struct BookingMutation;

#[Object]
impl BookingMutation {
    /// Books tickets. `fulfilment` is the action to take when fewer tickets are available than asked for. With
    /// PARTIAL_AND_WAITLIST, a customer who already waits gets one more entry for the rest, at the end of the waitlist.
    /// A second request for the same number of tickets is refused as ALREADY_WAITING while the entry of the first one
    /// waits. Needs CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn create_booking(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Tickets to book.")] input: CreateBookingInput,
    ) -> Result<Option<CreateBookingPayload>> {
        let items = input.items.unwrap_or_default();
        let items = items.iter().map(|item| Ok((id_or_nobody(&item.ticket_type_id)?, item.quantity.into())));
        let event = id_or_nobody(&input.event_id)?;
        let order = Order {
            event,
            slot: input.slot_id.as_ref().map(id_or_nobody).transpose()?,
            items: items.collect::<Result<_>>()?,
            quantity: input.quantity.map(Into::into),
            fulfilment: input.fulfilment,
            expected_total: input.expected_total.map(|total| total.0),
        };
        let batcher = &ctx.data::<Services>()?.batcher;
        Ok(Some(match create(acting(ctx)?, batcher, order, input.idempotency_key).await {
            Ok(outcome) => placed(ctx, event, outcome).await?,
            Err(error) => CreateBookingPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }

    /// Cancels a booking of an event that has not begun. The returned tickets go to the waitlist at once. Needs
    /// CUSTOMER (own bookings), ORGANIZER (OWNER or MANAGER of the organizer) or ADMIN.
    #[graphql(guard = "May(Action::CancelBooking)")]
    async fn cancel_booking(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Booking to cancel.")] input: CancelBookingInput,
    ) -> Result<Option<CancelBookingPayload>> {
        Ok(Some(match crate::booking::cancel::cancel(acting(ctx)?, id_or_nobody(&input.booking_id)?).await {
            Ok(done) => cancelled(ctx, done).await?,
            Err(error) => CancelBookingPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }
}
