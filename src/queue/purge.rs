//! Deletes jobs that ended.
//! Not here: the retention times (`retention`).
//!
//! The pair (kind, key) guards against a reaction that runs twice. The cursor of reactions never moves back, so a key
//! is no longer needed once its job ended long ago.

use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority};

/// End of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The job succeeded.
    Well,
    /// No attempt was left, or the job was cancelled.
    Badly,
}

/// Deletes at most `limit` jobs that ended this way before an instant. Returns their number.
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
