//! Subscriptions to bookings: each change of status, for a customer or for an organizer.
//! Not here: the parts all streams share (`graphql::stream`), and the history itself (`relay::history`).

use async_graphql::{Context, Enum, ID, Result, SimpleObject, Subscription};
use futures_util::Stream;

use super::{Booking, me};
use crate::access::Action;
use crate::booking::list::{self, BookingKey};
use crate::domain_event::{DomainEvent, UnreadableDomainEvent};
use crate::engine::fault::Fault;
use crate::graphql::Services;
use crate::graphql::error::db_fault;
use crate::graphql::guard::{May, acting, denied};
use crate::graphql::load::{Load, failed};
use crate::graphql::scalar::{DateTime, id_or_nobody};
use crate::graphql::stream::{CHUNK, concerned, gone, history_head, newer, still_may, stream};
use crate::graphql::stream_cursor::Log;
use crate::id::{BookingId, EventId, OrganizerId};
use crate::relay::history::{self, About};

/// Change of the status of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum BookingChange {
    /// The booking was created; under AUTO the change to CONFIRMED follows at once.
    Created,
    /// The booking was confirmed: its tickets belong to the customer.
    Confirmed,
    /// The booking was cancelled: its tickets no longer belong to the customer.
    Cancelled,
}

/// One message of `bookingChanged` and `eventBookingChanged`. A value without an id; its booking has one.
#[derive(SimpleObject)]
pub struct BookingUpdate {
    /// Cursor of this message; pass it as `after` to resume behind it.
    cursor: String,
    /// True in the opening message when the stream cannot resume from `after`, for example after a restored backup:
    /// fetch the list of bookings again; the stream goes on from `cursor`.
    resync: bool,
    /// Change of the status; null in the opening message.
    change: Option<BookingChange>,
    /// Time of the change; null in the opening message.
    occurred_at: Option<DateTime>,
    /// Current state of the booking; null in the opening message, and when you may not see the booking any more.
    booking: Option<Booking>,
}

fn change_of(domain_event: &DomainEvent) -> Option<(BookingChange, BookingId)> {
    match *domain_event {
        DomainEvent::BookingCreated { booking, .. } => Some((BookingChange::Created, booking)),
        DomainEvent::BookingConfirmed { booking, .. } => Some((BookingChange::Confirmed, booking)),
        DomainEvent::BookingCancelled { booking, .. } => Some((BookingChange::Cancelled, booking)),
        _ => None,
    }
}

/// Streams the domain events about bookings of a customer or an organizer.
async fn bookings(
    ctx: &Context<'_>,
    log: Log,
    about: About,
    action: Action,
    after: Option<String>,
    only: Option<EventId>,
) -> Result<impl Stream<Item = Result<BookingUpdate>> + use<>> {
    let services = ctx.data::<Services>()?.clone();
    let ctx = acting(ctx)?.clone();
    let mut heard = services.bus.listen(); // before the table is read, so that nothing in between is missed
    let head = history_head(&ctx).await?;
    // Not the end of the whole history, which moves with every domain event of other users.
    let newest = history::newest(ctx.db.read(), about, head.last).await.map_err(|error| db_fault(&error))?;
    let cursors = services.cursors.of(log, &head.epoch);
    let (start, resync) = cursors.start(after, newest)?;
    Ok(stream(move |out| async move {
        let opening =
            BookingUpdate { cursor: cursors.seal(start)?, resync, change: None, occurred_at: None, booking: None };
        out.send(Ok(opening)).await.map_err(gone)?;
        let mut last = start;
        let mut known = head.last;
        loop {
            let rows = history::since(ctx.db.read(), about, last, CHUNK as i64).await.map_err(|e| db_fault(&e))?;
            let full = rows.len() as u64 == CHUNK;
            for row in rows {
                let is_asked_for = only.is_none() || row.event_id == only;
                let recorded = match row.read() {
                    Ok(recorded) => recorded,
                    // Stops before it: this release can neither show the domain event nor leave it out.
                    Err(UnreadableDomainEvent::Newer) if is_asked_for => return Err(newer().await),
                    // Parked by the relay for an operator.
                    Err(UnreadableDomainEvent::Newer | UnreadableDomainEvent::Damaged(_)) => {
                        last = row.seq;
                        continue;
                    }
                };
                last = row.seq;
                let Some((change, booking)) = change_of(&recorded.domain_event).filter(|_| is_asked_for) else {
                    continue;
                };
                still_may(&services, &ctx, action).await?;
                // The booking may belong to another customer by now, and its event to another organizer.
                let booking = list::visible(&ctx, BookingKey::Id(booking)).await.map_err(|e| db_fault(&e))?;
                let frame = BookingUpdate {
                    cursor: cursors.seal(recorded.seq)?,
                    resync: false,
                    change: Some(change),
                    occurred_at: Some(DateTime(recorded.occurred_at)),
                    booking: booking.map(Booking),
                };
                out.send(Ok(frame)).await.map_err(gone)?;
            }
            if !full {
                known = known.max(last);
                known = concerned(&mut heard, &services, about, known).await;
            }
        }
    }))
}

/// Returns the organizer of a stream of bookings: the one that is named, the one of the event, or the only one that
/// shows its sales to the viewer.
async fn seller(ctx: &Context<'_>, named: Option<ID>, event: Option<EventId>) -> Result<OrganizerId> {
    let acting = acting(ctx)?;
    if let Some(named) = named {
        let organizer: OrganizerId = id_or_nobody(&named)?;
        acting.allow(Action::ReadSalesOf(organizer)).map_err(denied)?;
        return Ok(organizer);
    }
    let sold = acting.actor.organizers(Action::ReadSalesOf);
    match (sold.as_slice(), event) {
        ([only], _) => Ok(*only),
        ([], _) => Err(Fault::Forbidden.error("You see the sales of no organizer.")),
        (_, Some(event)) => {
            let event = ctx.data::<Load>()?.load_one(event).await.map_err(failed)?;
            let of = event.map(|event| event.organizer_id).filter(|organizer| sold.contains(organizer));
            of.ok_or_else(|| Fault::NotFound.error("There is no such event."))
        }
        (_, None) => Err(Fault::BadUserInput.error("Name the organizer: you see the sales of several.")),
    }
}

/// Subscriptions to bookings.
#[derive(Default)]
pub struct BookingSubscription;

#[Subscription]
impl BookingSubscription {
    /// Each change of status of your bookings, in order. The opening message has only a cursor and `resync`. Needs
    /// CUSTOMER.
    #[graphql(guard = "May(Action::BookTickets)")]
    async fn booking_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Cursor of the last message received; the stream resumes behind it.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<BookingUpdate>> + use<>> {
        let user = me(ctx)?;
        bookings(ctx, Log::Bookings(user), About::Customer(user), Action::BookTickets, after, None).await
    }

    /// Each change of status of bookings of an organizer's events, in order. The opening message has only a cursor and
    /// `resync`. Needs ORGANIZER (OWNER, MANAGER or DOOR_STAFF of the organizer).
    #[graphql(guard = "May(Action::ReadSales)")]
    async fn event_booking_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Cursor of the last message received; the stream resumes behind it.")] after: Option<String>,
        #[graphql(desc = "Only bookings of this event.")] event_id: Option<ID>,
        #[graphql(
            desc = "Id of the organizer; may be left out when you see the sales of one organizer only, or with `eventId`."
        )]
        organizer_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<BookingUpdate>> + use<>> {
        let only: Option<EventId> = event_id.as_ref().map(id_or_nobody).transpose()?;
        let organizer = seller(ctx, organizer_id, only).await?;
        let action = Action::ReadSalesOf(organizer);
        bookings(ctx, Log::Sales(organizer), About::Organizer(organizer), action, after, only).await
    }
}
