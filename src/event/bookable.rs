//! Conditions under which newcomers can book an event, for statements that read or filter by it.
//! Not here: the number of open tickets (`quota.open`, counted by `booking`).

/// Condition that the time and status of event `e` allow bookings at instant `$2`. Drafts are included, because their
/// open tickets can be booked once they are published; until then only their organizer sees them.
pub const BOOKABLE: &str = "e.status IN ('DRAFT', 'PUBLISHED') AND e.starts_at > $2";

/// Returns the condition that `event` has at least one ticket that a newcomer can book at the instant bound as `now`.
pub fn has_tickets(now: &str) -> String {
    let bookable = BOOKABLE.replace("e.", "event.").replace("$2", now);
    // Not EXISTS, for the reason given at `search::has_word`.
    let open = "(SELECT true FROM quota q WHERE q.event_id = event.id AND q.open > 0 LIMIT 1) IS NOT NULL";
    format!("({bookable} AND {open})")
}
