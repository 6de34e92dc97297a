//! Availability as a newcomer sees it: exact, equal to committed state, with the revision it belongs to.
//! Not here: streaming its changes (`bus`, `graphql`).

use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::db::{self, DbError, record};
use crate::id::EventId;

record! {
    struct EventKey {
        event_id: EventId,
    }
}

/// How an event's places stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Availability {
    /// Of which event.
    pub event_id: EventId,
    /// Places there are.
    pub capacity: i64,
    /// Sold.
    pub sold: i64,
    /// Held with a deadline.
    pub held: i64,
    /// What a newcomer can book now: free places that nobody waits for.
    pub available: i64,
    /// Places people in line still want.
    pub waiting: i64,
    /// Rises by one per commit that changes any of this.
    pub revision: i64,
}

/// The availability of these events.
pub async fn of(c: &impl ConnectionTrait, events: &[EventId]) -> Result<Vec<Availability>, DbError> {
    let keys: Vec<EventKey> = events.iter().map(|event_id| EventKey { event_id: *event_id }).collect();
    // One statement, so that figures and revision are of the same moment.
    let sql = "SELECT s.event_id, s.revision,
               CAST(COALESCE(SUM(q.capacity), 0) AS bigint) AS capacity, CAST(COALESCE(SUM(q.sold), 0) AS bigint) AS sold,
               CAST(COALESCE(SUM(q.held), 0) AS bigint) AS held,
               CAST(COALESCE(SUM(q.waiting), 0) AS bigint) AS waiting,
               CAST(COALESCE(SUM(CASE WHEN q.served = 0 THEN q.capacity - q.sold - q.held ELSE 0 END), 0) AS bigint) AS available
               FROM {records} JOIN stock s ON s.event_id = r.event_id
               LEFT JOIN (SELECT quota.*, (SELECT COALESCE(SUM(w.quantity), 0) FROM waitlist_entry w
                                           WHERE w.quota_id = quota.id AND w.status = 'WAITING') AS waiting,
                                 (SELECT count(*) FROM waitlist_entry w WHERE w.quota_id = quota.id
                                  AND w.status = 'WAITING' AND (w.accepts_part = 1 OR w.quantity <= quota.capacity)) AS served
                          FROM quota) q ON q.event_id = s.event_id
               GROUP BY s.event_id, s.revision";
    db::select_by(c, sql, &keys, []).await
}
