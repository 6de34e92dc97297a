//! Deleting the records of old deliveries.
//! Not here: notices, which are kept, and retention periods (`retention`).

use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority};

/// Deletes deliveries made before an instant, at most `limit`, oldest first. Returns their number.
pub async fn purge(db: &Db, before: Timestamp, limit: i64) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let sql = "DELETE FROM delivery WHERE (domain_event_id, user_id, channel) IN
                   (SELECT domain_event_id, user_id, channel FROM delivery WHERE delivered_at < $1 ORDER BY delivered_at LIMIT $2)";
        db::run(&tx, sql, [before.into(), limit.into()]).await
    })
    .await
}
