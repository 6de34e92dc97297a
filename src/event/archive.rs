//! Archiving: published events that are over leave the programme.
//! Not here: who calls this (a sweep of the worker), and telling anybody; nobody is concerned.

use crate::clock::Micros;
use crate::db::{self, Db, DbError, Lane};

/// How many events one sweep moves at most: a few milliseconds of the writer.
const CHUNK: i64 = 500;

/// Archives what ended before `now`. Says how many; as many as a chunk holds means there may be more.
pub async fn archive(db: &Db, now: Micros) -> Result<u64, DbError> {
    db.write(Lane::Worker, |tx| async move {
        let sql = "UPDATE event SET status = 'ARCHIVED', updated_at = $1 WHERE status = 'PUBLISHED' AND id IN
                   (SELECT id FROM event WHERE status = 'PUBLISHED' AND ends_at <= $1 ORDER BY starts_at LIMIT $2)";
        db::run(&tx, sql, [now.into(), CHUNK.into()]).await
    })
    .await
}
