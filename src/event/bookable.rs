//! Times at which tickets can be booked, as one rule for Rust and for statements: a slot is on sale until it begins.
//! Not here: the number of open tickets (`quota.open`, counted by `booking`).
//!
//! The beginning of an event is that of its first slot. If it lies ahead, so do all slots; otherwise the slots decide.

use crate::clock::Timestamp;

/// Returns true once a slot has begun: none of its tickets can be booked, and its bookings are final.
pub fn has_begun(starts_at: Timestamp, now: Timestamp) -> bool {
    starts_at <= now
}

/// Returns the condition that the slot of the ticket type in column `ticket_type` has not begun at the instant bound
/// as `now`.
pub fn type_is_ahead(ticket_type: &str, now: &str) -> String {
    is_ahead(&format!("tt.id = {ticket_type}"), now)
}

/// Returns the condition that the time and status of `event` allow bookings of quota `q` at the instant bound as
/// `now`: a slot of one of its ticket types has not begun. Drafts are included, because their open tickets can be
/// booked once they are published; until then only their organizer sees them.
pub fn quota_is_bookable(event: &str, now: &str) -> String {
    format!("{event}.status IN ('DRAFT', 'PUBLISHED') AND {}", quota_is_ahead(event, now))
}

/// Returns the condition that `event` has at least one ticket that a newcomer can book at the instant bound as `now`.
pub fn has_tickets(now: &str) -> String {
    // Not EXISTS, for the reason given at `search::has_word`. An event that is over has no slot ahead; its row tells.
    format!(
        "(event.status IN ('DRAFT', 'PUBLISHED') AND event.ends_at > {now} AND
          (SELECT true FROM quota q WHERE q.event_id = event.id AND q.open > 0 AND {} LIMIT 1) IS NOT NULL)",
        quota_is_ahead("event", now)
    )
}

fn quota_is_ahead(event: &str, now: &str) -> String {
    format!("({event}.starts_at > {now} OR {})", is_ahead("tt.quota_id = q.id", now))
}

fn is_ahead(ticket_types: &str, now: &str) -> String {
    format!(
        "(SELECT true FROM ticket_type tt JOIN slot ts ON ts.id = tt.slot_id
          WHERE {ticket_types} AND ts.starts_at > {now} LIMIT 1) IS NOT NULL"
    )
}
