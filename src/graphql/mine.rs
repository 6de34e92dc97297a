//! The viewer's own things at an event: their bookings of it, and their place in its waitlist.
//! Not here: the viewer's lists over all events (`booking`, `waitlist`).

use async_graphql::{Context, ID, Result};

use super::booking::Booking;
use super::guard::acting;
use super::load::{BookingsAt, EntriesAt, Load, failed};
use super::scalar::id_of;
use super::waitlist::WaitlistEntry;
use crate::access::Action;
use crate::id::{EventId, TicketTypeId, UserId};
use crate::status::BookingStatus;

/// The viewer, when they are a customer. A page shows these fields to everybody: others have nothing there, and no error.
fn customer(ctx: &Context<'_>) -> Result<Option<UserId>> {
    let acting = acting(ctx)?;
    Ok(acting.actor.user_id().filter(|_| acting.allow(Action::BookTickets).is_ok()))
}

/// The viewer's newest bookings of an event.
pub(super) async fn bookings(
    ctx: &Context<'_>,
    event: EventId,
    status: Option<BookingStatus>,
) -> Result<Option<Vec<Booking>>> {
    let Some(user) = customer(ctx)? else { return Ok(None) };
    let rows = ctx.data::<Load>()?.load_one(BookingsAt { event, user, status }).await.map_err(failed)?;
    Ok(Some(rows.unwrap_or_default().into_iter().map(Booking).collect()))
}

/// The viewer's oldest entry that waits at an event.
pub(super) async fn waitlist_entry(
    ctx: &Context<'_>,
    event: EventId,
    ticket_type: Option<ID>,
) -> Result<Option<WaitlistEntry>> {
    let Some(user) = customer(ctx)? else { return Ok(None) };
    let wanted: Option<TicketTypeId> = match &ticket_type {
        Some(id) => match id_of(id)? {
            Some(id) => Some(id),
            None => return Ok(None),
        },
        None => None,
    };
    let rows = ctx.data::<Load>()?.load_one(EntriesAt { event, user }).await.map_err(failed)?;
    let found = rows.unwrap_or_default().into_iter().find(|row| wanted.is_none_or(|id| row.ticket_type_id == id));
    Ok(found.map(WaitlistEntry))
}
