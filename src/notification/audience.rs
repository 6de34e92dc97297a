//! Audiences: the users that stand for "the customers of this event" or "the members of this organizer".
//! Not here: the content of notices.

use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::clock::Timestamp;
use crate::db::{self, DbError, record};
use crate::id::{BookingId, EventId, OrganizerId, UserId};

/// Size of a chunk. Larger audiences are notified by a fan-out job, in chunks of this size.
pub const CHUNK: i64 = 1_000;

/// Customers of an event: those with a booking, and those who wait for tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Customers {
    /// Customers with a live booking, or on the waitlist.
    WithLiveBooking,
    /// Customers with a booking that was live, or an entry that waited, when the event was called off.
    WhenCalledOff,
}

/// Customer of an event, with their first booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Customer {
    /// Id of the customer.
    pub user: UserId,
    /// First booking of the customer; `None` if they only wait for tickets.
    pub booking: Option<BookingId>,
}

#[derive(FromQueryResult)]
struct CustomerRow {
    user_id: UserId,
    booking_id: Option<BookingId>,
}

/// Returns the next customers of an event after `after`, in user order. `at` is the time of the cause.
pub async fn customers(
    c: &impl ConnectionTrait,
    event: EventId,
    which: Customers,
    at: Timestamp,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<Customer>, DbError> {
    let books = |of: &str| {
        let live = format!("{of}.status IN ('PENDING_APPROVAL', 'PENDING_PAYMENT', 'CONFIRMED')");
        match which {
            Customers::WithLiveBooking => live,
            Customers::WhenCalledOff => format!("({live} OR {of}.cancel_reason = 'EVENT_CANCELLED')"),
        }
    };
    let waits = |of: &str| match which {
        Customers::WithLiveBooking => format!("{of}.status = 'WAITING'"),
        // Entries for slots that had begun were closed before, with a notice of their own.
        Customers::WhenCalledOff => format!(
            "({of}.status = 'WAITING' OR {of}.status = 'CLOSED' AND (SELECT true FROM ticket_type t
              JOIN slot s ON s.id = t.slot_id WHERE t.id = {of}.ticket_type_id AND s.starts_at > $4) IS NOT NULL)"
        ),
    };
    // One row per customer: the earliest such booking, or the earliest entry of a customer without one. Ids are
    // time-ordered, and PostgreSQL has no min(uuid). Checking each row for an earlier one follows the index and stops
    // at the limit; a window function would sort the whole audience first.
    let sql = format!(
        "SELECT user_id, booking_id FROM (
             SELECT * FROM (SELECT b.user_id, b.id AS booking_id FROM booking b
                 WHERE b.event_id = $1 AND b.user_id > $2 AND {} AND NOT EXISTS
                       (SELECT 1 FROM booking e WHERE e.event_id = $1 AND e.user_id = b.user_id AND e.id < b.id AND {})
                 ORDER BY b.user_id LIMIT $3) with_booking
             UNION ALL
             SELECT * FROM (SELECT w.user_id, CAST(NULL AS uuid) AS booking_id FROM waitlist_entry w
                 WHERE w.event_id = $1 AND w.user_id > $2 AND {} AND NOT EXISTS
                       (SELECT 1 FROM waitlist_entry e WHERE e.event_id = $1 AND e.user_id = w.user_id AND e.id < w.id AND {})
                   AND NOT EXISTS (SELECT 1 FROM booking b WHERE b.event_id = $1 AND b.user_id = w.user_id AND {})
                 ORDER BY w.user_id LIMIT $3) in_line
         ) audience ORDER BY user_id LIMIT $3",
        books("b"),
        books("e"),
        waits("w"),
        waits("e"),
        books("b"),
    );
    let after = after.unwrap_or(UserId(uuid::Uuid::nil()));
    let rows: Vec<CustomerRow> = match which {
        Customers::WithLiveBooking => db::all(c, &sql, [event.into(), after.into(), limit.into()]).await?,
        Customers::WhenCalledOff => db::all(c, &sql, [event.into(), after.into(), limit.into(), at.into()]).await?,
    };
    Ok(rows.into_iter().map(|row| Customer { user: row.user_id, booking: row.booking_id }).collect())
}

record! {
    struct OrganizerKey {
        organizer_id: OrganizerId,
    }
}

#[derive(FromQueryResult)]
struct MemberRow {
    organizer_id: OrganizerId,
    user_id: UserId,
}

/// Returns the owners and managers of these organizers, without accounts that may not use the right any more. Other
/// members see the events without being notified.
pub async fn members(
    c: &impl ConnectionTrait,
    organizers: impl IntoIterator<Item = OrganizerId>,
) -> Result<Vec<(OrganizerId, UserId)>, DbError> {
    let keys: Vec<OrganizerKey> = organizers.into_iter().map(|organizer_id| OrganizerKey { organizer_id }).collect();
    let sql = "SELECT m.organizer_id, m.user_id FROM {records}
               JOIN membership m ON m.organizer_id = r.organizer_id
               JOIN users u ON u.id = m.user_id AND u.role = 'ORGANIZER' AND u.disabled_at IS NULL
               WHERE m.role IN ('OWNER', 'MANAGER') ORDER BY m.organizer_id, m.user_id";
    let rows: Vec<MemberRow> = db::select_by(c, sql, &keys, []).await?;
    Ok(rows.into_iter().map(|row| (row.organizer_id, row.user_id)).collect())
}
