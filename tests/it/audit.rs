//! The auditor: compares the promises made to customers with the database, and the database with itself.
//! Not here: the tests that try to make them differ (`kill`, `unclear`), and the test that the auditor notices
//! (`kill::negative_control`).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use boxoffice::clock::{Clock, Timestamp};
use boxoffice::db::{self, Db};
use boxoffice::id::{BookingId, EventId, NodeId, UserId};
use boxoffice::status::BookingStatus;
use sea_orm::FromQueryResult;

use crate::harness::PATIENCE;

/// A promise to a customer, made by an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    pub user: UserId,
    /// Opaque id, as answered.
    pub event: String,
    pub booking: Option<String>,
    pub booked: i64,
    pub queued: i64,
    /// A later answer said that the booking is cancelled.
    pub cancelled: bool,
}

/// Invariants of every database at rest in which customers book and cancel, each as a count of violations.
pub const LAWS: &[(&str, &str)] = &[
    (
        "a counter differs from its bookings",
        "SELECT count(*) AS n FROM quota q WHERE q.sold <> (SELECT COALESCE(SUM(i.quantity), 0) FROM booking_item i
         JOIN booking b ON b.id = i.booking_id JOIN ticket_type t ON t.id = i.ticket_type_id
         WHERE t.quota_id = q.id AND b.status = 'CONFIRMED')",
    ),
    (
        "more tickets are sold than there are",
        "SELECT count(*) AS n FROM quota q WHERE q.held <> 0 OR q.capacity < (SELECT COALESCE(SUM(i.quantity), 0)
         FROM booking_item i JOIN booking b ON b.id = i.booking_id JOIN ticket_type t ON t.id = i.ticket_type_id
         WHERE t.quota_id = q.id AND b.status = 'CONFIRMED')",
    ),
    (
        "tickets are free while somebody waits",
        "SELECT count(*) AS n FROM quota q JOIN stock s ON s.event_id = q.event_id WHERE q.sold < q.capacity AND EXISTS
         (SELECT 1 FROM waitlist_entry w WHERE w.quota_id = q.id AND w.status = 'WAITING' AND w.terms = s.terms)",
    ),
    (
        "a customer was not told exactly once of a confirmation",
        "SELECT count(*) AS n FROM booking b WHERE 1 <> (SELECT count(*) FROM notice n
         WHERE n.user_id = b.user_id AND n.booking_id = b.id AND n.kind IN ('BOOKING_CONFIRMED', 'WAITLIST_PROMOTED'))",
    ),
    (
        "an organizer was not told exactly once of a booking",
        "SELECT count(*) AS n FROM booking b JOIN event e ON e.id = b.event_id
         JOIN membership m ON m.organizer_id = e.organizer_id AND m.role IN ('OWNER', 'MANAGER') WHERE 1 <> (SELECT count(*) FROM notice n
         WHERE n.user_id = m.user_id AND n.booking_id = b.id AND n.kind = 'BOOKING_CREATED')",
    ),
    (
        "somebody was not told exactly once of a cancellation",
        "SELECT count(*) AS n FROM booking b JOIN event e ON e.id = b.event_id
         JOIN membership m ON m.organizer_id = e.organizer_id AND m.role IN ('OWNER', 'MANAGER')
         WHERE CASE WHEN b.status = 'CANCELLED' THEN 2 ELSE 0 END <> (SELECT count(*) FROM notice n
         WHERE n.booking_id = b.id AND n.kind = 'BOOKING_CANCELLED' AND n.user_id IN (b.user_id, m.user_id))",
    ),
    (
        "a notice tells of a booking that is not there",
        "SELECT count(*) AS n FROM notice n WHERE n.booking_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM booking b WHERE b.id = n.booking_id)",
    ),
    (
        "somebody's notices are not numbered 1, 2, 3, …",
        "SELECT count(*) AS n FROM (SELECT user_id FROM notice GROUP BY user_id
         HAVING min(seq) <> 1 OR max(seq) <> count(*)) wrong",
    ),
    (
        "somebody's inbox does not end with their last notice",
        "SELECT count(*) AS n FROM inbox i
         WHERE i.last_seq <> (SELECT COALESCE(max(n.seq), 0) FROM notice n WHERE n.user_id = i.user_id)",
    ),
    ("a domain_event has no number", "SELECT count(*) AS n FROM domain_event WHERE seq IS NULL"),
    (
        "the domain_events are not numbered 1, 2, 3, …",
        "SELECT count(*) AS n FROM (SELECT min(seq) AS first, max(seq) AS last, count(seq) AS many FROM domain_event) f,
         stream_head h WHERE f.many <> h.last OR (f.many > 0 AND (f.first <> 1 OR f.last <> f.many))",
    ),
    (
        "not every domain_event was reacted to",
        "SELECT count(*) AS n FROM consumer c, stream_head h WHERE c.name = 'reactions' AND c.last <> h.last",
    ),
    ("a domain_event was parked", "SELECT count(*) AS n FROM parked_domain_event"),
    ("a job did not end well", "SELECT count(*) AS n FROM job WHERE state <> 'succeeded'"),
    (
        "a notice was not delivered exactly once to the log",
        "SELECT count(*) AS n FROM notice n WHERE 1 <> (SELECT count(*) FROM delivery d
         WHERE d.domain_event_id = n.domain_event_id AND d.user_id = n.user_id AND d.channel = 'log')",
    ),
    (
        "a delivery has no notice",
        "SELECT count(*) AS n FROM delivery d WHERE NOT EXISTS
         (SELECT 1 FROM notice n WHERE n.domain_event_id = d.domain_event_id AND n.user_id = d.user_id)",
    ),
    (
        "a job kept the token of its lease",
        "SELECT count(*) AS n FROM job WHERE state <> 'running' AND lease_token IS NOT NULL",
    ),
];

/// The counted columns compared with a recount, as a count of quotas that differ.
pub const COUNTED: &[(&str, &str)] = &[
    (
        "quota.waiting differs from what its entries want",
        "SELECT count(*) AS n FROM quota q WHERE q.waiting <> (SELECT COALESCE(SUM(w.quantity), 0) FROM waitlist_entry w
         WHERE w.quota_id = q.id AND w.status = 'WAITING')",
    ),
    (
        "quota.open differs from what nobody in turn waits for",
        "SELECT count(*) AS n FROM quota q JOIN stock s ON s.event_id = q.event_id WHERE q.open <>
         CASE WHEN EXISTS (SELECT 1 FROM waitlist_entry w JOIN users u ON u.id = w.user_id WHERE w.quota_id = q.id
                           AND w.status = 'WAITING' AND w.terms = s.terms AND u.disabled_at IS NULL AND u.role = 'CUSTOMER'
                           AND (w.accepts_part = 1 OR w.quantity <= q.capacity))
              THEN 0 ELSE q.capacity - q.sold - q.held END",
    ),
];

/// Returns the number of numbers, reactions and jobs still to follow. Zero: the database is at rest.
async fn unrest(db: &Db, now: Timestamp) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM domain_event WHERE seq IS NULL)
               + (SELECT h.last - c.last FROM stream_head h, consumer c WHERE c.name = 'reactions')
               + (SELECT count(*) FROM job WHERE state = 'running' OR (state = 'available' AND run_at <= $1)) AS n";
    db::number(db.read(), sql, [now.into()]).await.unwrap()
}

/// Waits until the database is at rest.
pub async fn rest(db: &Db) {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let rest = async {
        while unrest(db, Clock::System.now()).await > 0 {
            pace.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, rest).await.expect("everything follows");
}

/// Returns every violation; empty if every promise was kept, exactly and once.
pub async fn complaints(db: &Db, promises: &[Promise]) -> Vec<String> {
    let mut complaints = broken_invariants(db).await;
    complaints.extend(broken_promises(db, promises).await);
    complaints.extend(broken_waits(db, promises).await);
    complaints
}

/// Returns the violations that do not depend on promises.
pub async fn broken_invariants(db: &Db) -> Vec<String> {
    let mut complaints = Vec::new();
    for (invariant, sql) in LAWS.iter().chain(COUNTED) {
        let violations = db::number(db.read(), sql, []).await.unwrap();
        if violations > 0 {
            complaints.push(format!("{invariant}: {violations}"));
        }
    }
    complaints
}

#[derive(FromQueryResult)]
struct Booked {
    id: BookingId,
    user_id: UserId,
    event_id: EventId,
    status: BookingStatus,
    tickets: i64,
}

/// Checks that every promised booking exists as promised, and that no other exists.
async fn broken_promises(db: &Db, promises: &[Promise]) -> Vec<String> {
    let sql = "SELECT b.id, b.user_id, b.event_id, b.status,
               CAST((SELECT COALESCE(SUM(i.quantity), 0) FROM booking_item i WHERE i.booking_id = b.id) AS bigint) AS tickets
               FROM booking b WHERE b.entry_id IS NULL";
    let booked: Vec<Booked> = db::all(db.read(), sql, []).await.unwrap();
    let mut there: HashMap<String, Booked> = booked.into_iter().map(|row| (row.id.to_global_id(), row)).collect();
    let mut complaints = Vec::new();
    let mut promised = HashSet::new();
    for promise in promises {
        let Some(id) = &promise.booking else { continue };
        if !promised.insert(id) {
            complaints.push(format!("promised to two requests: {id}"));
            continue;
        }
        match there.remove(id) {
            None => complaints.push(format!("lost: {id}")),
            Some(row) => {
                let cancelled = row.status == BookingStatus::Cancelled;
                let as_promised = row.user_id == promise.user
                    && row.event_id.to_global_id() == promise.event
                    && row.tickets == promise.booked
                    && cancelled == promise.cancelled;
                if !as_promised {
                    complaints.push(format!("not as promised: {id}"));
                }
            }
        }
    }
    complaints.extend(there.into_keys().map(|id| format!("promised to nobody: {id}")));
    complaints
}

#[derive(FromQueryResult)]
struct Waiting {
    user_id: UserId,
    event_id: EventId,
    tickets: i64,
}

/// Checks that each customer waits for, or got from the waitlist, as many tickets as their answers said in all.
async fn broken_waits(db: &Db, promises: &[Promise]) -> Vec<String> {
    let sql = "SELECT user_id, event_id, CAST(SUM(quantity + granted) AS bigint) AS tickets
               FROM waitlist_entry GROUP BY user_id, event_id";
    let waiting: Vec<Waiting> = db::all(db.read(), sql, []).await.unwrap();
    let mut owed: HashMap<(UserId, String), i64> = HashMap::new();
    for promise in promises.iter().filter(|promise| promise.queued > 0) {
        *owed.entry((promise.user, promise.event.clone())).or_default() += promise.queued;
    }
    let mut complaints = Vec::new();
    for row in waiting {
        let promised = owed.remove(&(row.user_id, row.event_id.to_global_id())).unwrap_or(0);
        if promised != row.tickets {
            complaints.push(format!("on the waitlist for {} instead of {promised}: {}", row.tickets, row.user_id));
        }
    }
    complaints.extend(owed.into_keys().map(|(user, _)| format!("lost their place on the waitlist: {user}")));
    complaints
}
