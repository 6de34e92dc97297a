//! Retention: deletes ended sign-ins and their traces from the database.
//! Not here: ending them (`sign_out`, `refresh`, `api_token`), and the schedule (`app`).

use std::time::Duration;

use super::throttle::{FORGOTTEN_AFTER, KNOWN_FOR};
use super::{refresh, revocation};
use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority};

/// Most rows deleted by one statement, so that no writer waits long behind it.
const CHUNK: u64 = 5_000;

/// Time an API token is kept after its end.
const ENDED_TOKENS: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Time an invitation is kept after its expiry, answered ones too.
const ENDED_INVITATIONS: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Deletes ended rows, in chunks:
///
/// * revocations after 20 minutes: every process has read them by then, even one that was suspended;
/// * refresh tokens at their end, 30 days after they were issued; used ones too, so that a second use is noticed until
///   then;
/// * sessions 30 days after their last renewal, whether they were signed out or not;
/// * API tokens 30 days after their end, revoked ones included;
/// * invitations 30 days after their expiry, ended ones too: they contain addresses of persons without an account;
/// * throttle counters an hour after the last failure, known networks after 90 days.
pub async fn purge(db: &Db, now: Timestamp) -> Result<(), DbError> {
    let old = [
        (
            "DELETE FROM revocation WHERE (subject_id, at) IN
             (SELECT subject_id, at FROM revocation WHERE at < $1 ORDER BY at LIMIT $2)",
            revocation::BACK * 2,
        ),
        (
            "DELETE FROM refresh_token WHERE hash IN
             (SELECT hash FROM refresh_token WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            Duration::ZERO,
        ),
        (
            "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)
             AND NOT EXISTS (SELECT 1 FROM refresh_token t WHERE t.session_id = session.id)",
            refresh::LIFETIME,
        ),
        (
            "DELETE FROM api_token WHERE id IN
             (SELECT id FROM api_token WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            ENDED_TOKENS,
        ),
        (
            "DELETE FROM membership_invitation WHERE id IN
             (SELECT id FROM membership_invitation WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            ENDED_INVITATIONS,
        ),
        (
            "DELETE FROM throttle WHERE key IN (SELECT key FROM throttle WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
            FORGOTTEN_AFTER,
        ),
        (
            "DELETE FROM known_network WHERE key IN
             (SELECT key FROM known_network WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)",
            KNOWN_FOR,
        ),
    ];
    for (sql, age) in old {
        let binds = [now.minus(age).into(), (CHUNK as i64).into()];
        let binds = &binds;
        db::in_chunks(CHUNK, || db.write(Priority::Worker, |tx| async move { db::run(&tx, sql, binds.clone()).await }))
            .await?;
    }
    Ok(())
}
