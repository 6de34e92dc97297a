//! Bookings and waitlist entry of the viewer for one event.
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

/// Returns the viewer if they are a customer. A page selects these fields for every viewer, so for all others they are
/// null without an error.
fn customer(ctx: &Context<'_>) -> Result<Option<UserId>> {
    let acting = acting(ctx)?;
    Ok(acting.actor.user_id().filter(|_| acting.allow(Action::BookTickets).is_ok()))
}

/// Returns the viewer's newest bookings of an event.
pub(super) async fn bookings(
    ctx: &Context<'_>,
    event: EventId,
    status: Option<BookingStatus>,
) -> Result<Option<Vec<Booking>>> {
    let Some(user) = customer(ctx)? else { return Ok(None) };
    let rows = ctx.data::<Load>()?.load_one(BookingsAt { event, user, status }).await.map_err(failed)?;
    Ok(Some(rows.unwrap_or_default().into_iter().map(Booking).collect()))
}

/// Returns the viewer's oldest waiting entry for an event.
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
