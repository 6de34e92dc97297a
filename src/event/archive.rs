//! Archiving: published events that are over leave the catalog.
//! Not here: the caller (a sweep of the worker), and notices; there are none, because no user is concerned.

use sea_orm::FromQueryResult;

use super::search;
use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority};
use crate::id::EventId;

/// The most events one transaction archives: a few milliseconds of the writer.
const CHUNK: u64 = 500;

#[derive(FromQueryResult)]
struct Archived {
    id: EventId,
}

/// Archives the events that ended before `now`, in chunks. Returns their number.
pub async fn archive(db: &Db, now: Timestamp) -> Result<u64, DbError> {
    db::in_chunks(CHUNK, || chunk(db, now)).await
}

async fn chunk(db: &Db, now: Timestamp) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        // An event that has not begun is not over, so the index by time is read only up to now.
        let sql = "UPDATE event SET status = 'ARCHIVED', updated_at = $1 WHERE status = 'PUBLISHED' AND id IN
                   (SELECT id FROM event WHERE status = 'PUBLISHED' AND starts_at < $1 AND ends_at <= $1
                    ORDER BY starts_at LIMIT $2) RETURNING id";
        let over: Vec<Archived> = db::all(&tx, sql, [now.into(), (CHUNK as i64).into()]).await?;
        let over: Vec<EventId> = over.into_iter().map(|row| row.id).collect();
        search::list(&tx, &over, false).await?;
        Ok(over.len() as u64)
    })
    .await
}
