//! Revocations: how every process hears within a second that a sign-in has ended or its rights have changed.
//! Not here: why (`sign_out`, `change_password`, `administer`, `api_token`).
//!
//! The row is written in the transaction of the change, and each process reads the newest rows a few times a second, one
//! statement for all its sockets. It never goes through the relay: a backlog of facts must not keep anybody signed in.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::session::Sessions;
use crate::clock::{Clock, Micros};
use crate::db::{self, Db, DbError, Lane, Tx};
use crate::id::UserId;

/// How often they are read.
const EVERY: Duration = Duration::from_millis(300);

/// How far back is read: longer than a transaction may take, and than clocks of machines differ.
const BACK: Duration = Duration::from_secs(600);

#[derive(FromQueryResult, PartialEq, Eq, Hash)]
struct Row {
    subject_id: Uuid,
    at: Micros,
}

/// One sign-in or API token.
pub async fn revoke(tx: &Tx, subject: Uuid, now: Micros) -> Result<(), DbError> {
    let sql = "INSERT INTO revocation (subject_id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    db::run(tx, sql, [subject.into(), now.into()]).await.map(drop)
}

/// Everything this user is signed in with, people and programs.
pub async fn revoke_all(tx: &Tx, user: UserId, now: Micros) -> Result<(), DbError> {
    let sql = "INSERT INTO revocation (subject_id, at)
               SELECT id, CAST($2 AS bigint) FROM session WHERE user_id = $1
               UNION ALL SELECT id, CAST($2 AS bigint) FROM api_token WHERE user_id = $1 AND revoked_at IS NULL
               ORDER BY 1 ON CONFLICT DO NOTHING";
    db::run(tx, sql, [user.into(), now.into()]).await.map(drop)
}

/// Reads until told to stop. What fails is read the next time.
pub async fn watch(db: Db, clock: Clock, sessions: Sessions, stop: CancellationToken) {
    let mut seen: HashSet<Row> = HashSet::new();
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let since = clock.now().minus(BACK);
        let sql = "SELECT subject_id, at FROM revocation WHERE at > $1";
        let rows: Vec<Row> = match db::all(db.read(), sql, [since.into()]).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "cannot read revocations");
                continue;
            }
        };
        seen.retain(|row| row.at > since);
        for row in rows {
            if !seen.contains(&row) {
                sessions.forget([row.subject_id]);
                seen.insert(row);
            }
        }
    }
}

/// Deletes what nobody reads any more, and refresh tokens that have ended.
pub async fn forget(db: &Db, now: Micros) -> Result<(), DbError> {
    db.write(Lane::Worker, |tx| async move {
        // A last look a while after the window, for a process that slept.
        db::run(&tx, "DELETE FROM revocation WHERE at < $1", [now.minus(BACK * 2).into()]).await?;
        db::run(&tx, "DELETE FROM refresh_token WHERE expires_at < $1", [now.into()]).await?;
        Ok(())
    })
    .await
}
