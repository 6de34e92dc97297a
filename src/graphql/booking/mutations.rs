//! Mutations about bookings: place one, cancel one.
//! Not here: the objects they answer with (`super`), and the decision itself (`crate::booking`).

use super::{Booking, sees};
use crate::access::Action;
use crate::booking::cancel::Cancelled;
use crate::booking::place::{Order, Placed, place};
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

/// How many tickets of one kind.
#[derive(InputObject)]
pub struct BookingItemInput {
    /// Which kind of place.
    ticket_type_id: ID,
    /// How many; 1 to 100 in all.
    quantity: i32,
}

/// What to book.
#[derive(InputObject)]
pub struct CreateBookingInput {
    /// At which event.
    event_id: ID,
    /// At which of its dates; may be left out when there is one.
    slot_id: Option<ID>,
    /// How many tickets, when there is one kind; 1 to 100.
    quantity: Option<i32>,
    /// Which kinds of tickets, and how many of each; instead of `quantity`.
    items: Option<Vec<BookingItemInput>>,
    /// What to do when fewer are free.
    #[graphql(default_with = "Fulfilment::AllOrNothing")]
    fulfilment: Fulfilment,
    /// Price of all tickets asked for, as shown to the customer, in the event's currency. At another price the request is
    /// refused with the present total.
    expected_total: Option<Decimal>,
    /// A text of your choice that makes repeating this request safe; kept for at least 24 hours.
    idempotency_key: Option<String>,
}

/// What an order led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum BookingOutcome {
    /// Everything was booked.
    Booked,
    /// What was free was booked; the rest is forgotten.
    PartiallyBooked,
    /// What was free was booked; you are on the waitlist for the rest.
    PartiallyBookedAndWaitlisted,
    /// Nothing was free; you are on the waitlist for everything.
    Waitlisted,
}

/// Outcome of `createBooking`: the booking, the waitlist entry, and what happened, in one.
#[derive(SimpleObject, Default)]
pub struct CreateBookingPayload {
    /// What happened; null when the order was refused.
    outcome: Option<BookingOutcome>,
    /// The booking; null when nothing was free.
    booking: Option<Booking>,
    /// The waitlist entry for what was not free; null when nobody has to wait.
    waitlist_entry: Option<WaitlistEntry>,
    /// The tickets in lines, when several kinds were asked for.
    waitlist_entries: Vec<WaitlistEntry>,
    /// Tickets booked.
    booked: i32,
    /// Tickets of this order that are being waited for.
    waitlisted: i32,
    /// A sentence that can be shown to people; null when the order was refused.
    message: Option<String>,
    /// The event as it is now, with its availability; null when the order was refused.
    event: Option<Event>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Which booking.
#[derive(InputObject)]
pub struct CancelBookingInput {
    /// Which booking.
    booking_id: ID,
}

/// Outcome of `cancelBooking`.
#[derive(SimpleObject, Default)]
pub struct CancelBookingPayload {
    /// The booking as it is now; null when the request was refused, and for a program that may cancel but not see it.
    booking: Option<Booking>,
    /// The event as it is now, with its availability; null when the request was refused.
    event: Option<Event>,
    /// Entries of the customer's own that the returned tickets passed over: others on the waitlist are served first. See
    /// `WaitlistEntry.pause`.
    passed_over: Vec<WaitlistEntry>,
    /// A sentence that can be shown to people; null when the request was refused.
    message: Option<String>,
    /// Why it was refused; empty on success.
    user_errors: Vec<UserError>,
}

/// Resolves an outcome of ids and numbers anew, so that a repeated request shows the present state.
async fn placed(ctx: &Context<'_>, event: EventId, placed: Placed) -> Result<CreateBookingPayload> {
    let load = ctx.data::<Load>()?;
    let event = load.load_one(event).await.map_err(failed)?.map(Event);
    let booking = match placed.booking {
        Some(id) => {
            let row = stored(load.load_one(id).await.map_err(failed)?)?;
            // A repeated request may find it with another customer.
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

/// Those of these entries that the viewer may see, in this order: a repeated request may find one with another customer.
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
    // A program that may not see the booking may not see its customer's entries either.
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
    /// Books tickets. When fewer are free than asked for, `fulfilment` decides. Waiting for more than before adds an entry
    /// at the end of the waitlist; the same order again, while its entry waits, is ALREADY_WAITING. Needs CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn create_booking(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to book.")] input: CreateBookingInput,
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
        Ok(Some(match place(acting(ctx)?, batcher, order, input.idempotency_key).await {
            Ok(outcome) => placed(ctx, event, outcome).await?,
            Err(error) => CreateBookingPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }

    /// Cancels a booking of an event that has not begun; its tickets go to the waitlist at once. Needs its CUSTOMER, its
    /// ORGANIZER, or ADMIN.
    #[graphql(guard = "May(Action::CancelBooking)")]
    async fn cancel_booking(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which booking.")] input: CancelBookingInput,
    ) -> Result<Option<CancelBookingPayload>> {
        Ok(Some(match crate::booking::cancel::cancel(acting(ctx)?, id_or_nobody(&input.booking_id)?).await {
            Ok(done) => cancelled(ctx, done).await?,
            Err(error) => CancelBookingPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }
}
