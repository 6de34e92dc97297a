//! Deleting jobs that ended.
//! Not here: how long they are kept (`retention`).
//!
//! What (kind, key) guards against is a reaction that runs twice, and the cursor of reactions does not go back: a key is
//! not needed any more when its job has ended long ago.

use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority};

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was done.
    Well,
    /// No attempt was left, or it was cancelled.
    Badly,
}

/// Deletes jobs that ended so before an instant, at most `limit`. Says how many.
pub async fn purge(db: &Db, ended: Ended, before: Timestamp, limit: i64) -> Result<u64, DbError> {
    let states = match ended {
        Ended::Well => "state = 'succeeded'",
        Ended::Badly => "state IN ('dead', 'cancelled')",
    };
    let sql = format!(
        "DELETE FROM job WHERE id IN
         (SELECT id FROM job WHERE {states} AND finished_at < $1 LIMIT $2)"
    );
    let sql = &sql;
    db.write(Priority::Worker, |tx| async move { db::run(&tx, sql, [before.into(), limit.into()]).await }).await
}
