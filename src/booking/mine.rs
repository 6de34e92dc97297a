//! A customer's own bookings and waitlist entries at given events, for any number of customers and events in one
//! statement.
//! Not here: lists over all events (`list`).

use sea_orm::ConnectionTrait;

use crate::db::{self, DbError, record};
use crate::entity::{booking, waitlist_entry};
use crate::id::{EventId, UserId};

/// The most bookings returned per customer and event.
pub const BOOKINGS_MAX: i64 = 20;

record! {
    /// A customer and an event, with a condition on bookings.
    pub struct At {
        /// Customer to read for.
        user_id: UserId,
        /// Event to read at.
        event_id: EventId,
        /// Status the bookings must have; empty for any status.
        status: &'static str,
    }
}

/// Returns the newest bookings of each customer at each event, newest first.
pub async fn bookings(c: &impl ConnectionTrait, at: &[At]) -> Result<Vec<booking::Model>, DbError> {
    let sql = "SELECT * FROM
                   (SELECT b.*, row_number() OVER (PARTITION BY r.user_id, r.event_id, r.status ORDER BY b.id DESC) AS nth
                    FROM {records} JOIN booking b ON b.event_id = r.event_id AND b.user_id = r.user_id
                    WHERE r.status = '' OR b.status = r.status) n
               WHERE nth <= $2 ORDER BY id DESC";
    db::select_by(c, sql, at, [BOOKINGS_MAX.into()]).await
}

/// Returns the waiting entries of each customer at each event, oldest first.
pub async fn waiting(c: &impl ConnectionTrait, at: &[At]) -> Result<Vec<waitlist_entry::Model>, DbError> {
    let sql = "SELECT w.* FROM {records} JOIN waitlist_entry w ON w.user_id = r.user_id AND w.event_id = r.event_id
               WHERE w.status = 'WAITING' ORDER BY w.id";
    db::select_by(c, sql, at, []).await
}
