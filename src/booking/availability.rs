//! Availability for newcomers: exact figures of the committed state, with their revision.
//! Not here: the rule, which `allocate` has and `change_set` applies; streaming changes (`watch`, `graphql`).

use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::clock::Timestamp;
use crate::db::{self, DbError, record};
use crate::event::bookable::quota_is_bookable;
use crate::id::{EventId, SlotId};

record! {
    struct EventKey {
        event_id: EventId,
    }
}

/// Ticket counts of an event at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Availability {
    /// Event the figures are of.
    pub event_id: EventId,
    /// Number of tickets in all.
    pub capacity: i64,
    /// Tickets in confirmed bookings.
    pub sold: i64,
    /// Tickets held with a deadline.
    pub held: i64,
    /// Tickets a newcomer can book now: free ones that no entry in turn waits for. Zero once the last slot has begun or
    /// the event was called off; for a draft, the number that can be booked once it is published.
    pub available: i64,
    /// Tickets that open entries of the waitlist still wait for.
    pub waiting: i64,
    /// Revision of these figures; rises by one per commit that changes any of them.
    pub revision: i64,
    /// Number of the event's present terms.
    pub terms: i64,
    /// Beginning of the next slot; `None` after the last one. The figures may change then without a commit.
    pub next_start: Option<Timestamp>,
}

/// Returns the availability of these events at an instant.
pub async fn of(c: &impl ConnectionTrait, events: &[EventId], now: Timestamp) -> Result<Vec<Availability>, DbError> {
    let keys: Vec<EventKey> = events.iter().map(|event_id| EventKey { event_id: *event_id }).collect();
    // One statement, so that figures and revision are of the same moment.
    let sql = format!(
        "SELECT s.event_id, s.revision, s.terms,
         (SELECT min(n.starts_at) FROM slot n WHERE n.event_id = s.event_id AND n.starts_at > $2) AS next_start,
         CAST(COALESCE(SUM(q.capacity), 0) AS bigint) AS capacity, CAST(COALESCE(SUM(q.sold), 0) AS bigint) AS sold,
         CAST(COALESCE(SUM(q.held), 0) AS bigint) AS held, CAST(COALESCE(SUM(q.waiting), 0) AS bigint) AS waiting,
         CAST(COALESCE(SUM(CASE WHEN {} THEN q.open ELSE 0 END), 0) AS bigint) AS available
         FROM {{records}} JOIN stock s ON s.event_id = r.event_id JOIN event e ON e.id = s.event_id
         LEFT JOIN quota q ON q.event_id = s.event_id
         GROUP BY s.event_id, s.revision, s.terms",
        quota_is_bookable("e", "$2")
    );
    db::select_by(c, &sql, &keys, [now.into()]).await
}

record! {
    struct SlotKey {
        slot_id: SlotId,
    }
}

/// Ticket counts of a slot at one moment. A quota that slots share counts in each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct SlotAvailability {
    /// Slot the figures are of.
    pub slot_id: SlotId,
    /// Number of tickets in all.
    pub capacity: i64,
    /// Tickets in confirmed bookings.
    pub sold: i64,
    /// Tickets held with a deadline.
    pub held: i64,
    /// Tickets a newcomer can book now; zero once the slot has begun or the event was called off.
    pub available: i64,
    /// Tickets that open entries of the waitlist still wait for.
    pub waiting: i64,
    /// Revision of the event at which any of these figures last changed.
    pub revision: i64,
}

/// Returns the availability of these slots at an instant.
pub async fn of_slots(
    c: &impl ConnectionTrait,
    slots: &[SlotId],
    now: Timestamp,
) -> Result<Vec<SlotAvailability>, DbError> {
    let keys: Vec<SlotKey> = slots.iter().map(|slot_id| SlotKey { slot_id: *slot_id }).collect();
    // Types that share a quota count once: of several the first one stands for it.
    let sql = "SELECT z.id AS slot_id, CAST(COALESCE(MAX(q.revision), 0) AS bigint) AS revision,
         CAST(COALESCE(SUM(q.capacity), 0) AS bigint) AS capacity, CAST(COALESCE(SUM(q.sold), 0) AS bigint) AS sold,
         CAST(COALESCE(SUM(q.held), 0) AS bigint) AS held, CAST(COALESCE(SUM(q.waiting), 0) AS bigint) AS waiting,
         CAST(COALESCE(SUM(CASE WHEN e.status IN ('DRAFT', 'PUBLISHED') AND z.starts_at > $2 THEN q.open ELSE 0 END), 0)
              AS bigint) AS available
         FROM {records} JOIN slot z ON z.id = r.slot_id JOIN event e ON e.id = z.event_id
         LEFT JOIN ticket_type t ON t.slot_id = z.id AND NOT EXISTS
             (SELECT 1 FROM ticket_type u WHERE u.slot_id = t.slot_id AND u.quota_id = t.quota_id AND u.id < t.id)
         LEFT JOIN quota q ON q.id = t.quota_id
         GROUP BY z.id";
    db::select_by(c, sql, &keys, [now.into()]).await
}
