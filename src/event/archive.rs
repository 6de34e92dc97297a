//! Archiving: published events that are over leave the catalog.
//! Not here: who calls this (a sweep of the worker), and telling anybody; nobody is concerned.

use sea_orm::FromQueryResult;

use super::search;
use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority};
use crate::id::EventId;

/// How many events one transaction moves at most: a few milliseconds of the writer.
const CHUNK: u64 = 500;

#[derive(FromQueryResult)]
struct Archived {
    id: EventId,
}

/// Archives what ended before `now`, in chunks. Says how many.
pub async fn archive(db: &Db, now: Timestamp) -> Result<u64, DbError> {
    db::in_chunks(CHUNK, || chunk(db, now)).await
}

async fn chunk(db: &Db, now: Timestamp) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        // What has not begun is not over: the index by time need not be read further.
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
