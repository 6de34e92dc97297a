//! Revocations: tell every process within a second that a sign-in has ended or its rights have changed.
//! Not here: the causes (`sign_out`, `change_password`, `administer`, `api_token`).
//!
//! The row is written in the transaction of the change. Each process reads the newest rows a few times a second, with
//! one statement for all its sockets. Revocations never go through the relay: a backlog of domain events must not keep
//! users signed in.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::session::Sessions;
use crate::clock::{Clock, Timestamp};
use crate::db::{self, Db, DbError, Tx};
use crate::id::UserId;

/// Interval between two reads.
const EVERY: Duration = Duration::from_millis(300);

/// Period that each read goes back: longer than a transaction may take.
const NEAR: Duration = Duration::from_secs(30);

/// Period that every [`FAR_EACH`]th read goes back: for processes with different clocks.
pub(super) const BACK: Duration = Duration::from_secs(600);

/// Number of reads of which one goes back as far as [`BACK`].
const FAR_EACH: u64 = 30;

#[derive(FromQueryResult, PartialEq, Eq, Hash)]
struct Row {
    subject_id: Uuid,
    at: Timestamp,
}

/// Revokes one sign-in or API token. Two revocations of one subject never have the same time, so that none is missed.
pub async fn revoke(tx: &Tx, subject: Uuid, now: Timestamp) -> Result<(), DbError> {
    let sql = "INSERT INTO revocation (subject_id, at)
               SELECT $1, COALESCE(MAX(at) + 1, CAST($2 AS bigint)) FROM revocation WHERE subject_id = $1 AND at >= $2
               ON CONFLICT DO NOTHING";
    db::run(tx, sql, [subject.into(), now.into()]).await.map(drop)
}

/// Revokes all sessions and API tokens of this user, including sessions that ended in this very change.
pub async fn revoke_all(tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbError> {
    let sql = "INSERT INTO revocation (subject_id, at)
               SELECT s.id, COALESCE((SELECT MAX(r.at) + 1 FROM revocation r WHERE r.subject_id = s.id AND r.at >= $2),
                                     CAST($2 AS bigint))
               FROM (SELECT id FROM session WHERE user_id = $1 AND (revoked_at IS NULL OR revoked_at = $2)
                     UNION ALL SELECT id FROM api_token WHERE user_id = $1 AND revoked_at IS NULL) s
               WHERE true ORDER BY 1 ON CONFLICT DO NOTHING";
    db::run(tx, sql, [user.into(), now.into()]).await.map(drop)
}

/// Reads revocations until `stop`. Rows of a failed read are read the next time.
pub async fn watch(db: Db, clock: Clock, sessions: Sessions, stop: CancellationToken) {
    let mut seen: HashSet<Row> = HashSet::new();
    let mut read: u64 = 0;
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let now = clock.now();
        let since = now.minus(if read.is_multiple_of(FAR_EACH) { BACK } else { NEAR });
        let sql = "SELECT subject_id, at FROM revocation WHERE at > $1";
        let rows: Vec<Row> = match db::all(db.read(), sql, [since.into()]).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "cannot read revocations");
                continue;
            }
        };
        read += 1;
        seen.retain(|row| row.at > now.minus(BACK));
        let new: Vec<Row> = rows.into_iter().filter(|row| !seen.contains(row)).collect();
        if !new.is_empty() {
            sessions.forget_aloud(new.iter().map(|row| row.subject_id));
            seen.extend(new);
        }
    }
}
