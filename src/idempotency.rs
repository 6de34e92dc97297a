//! Answers to repeated requests: the key, the fingerprint of the input, the outcome of the first request.
//! Not here: payloads. An outcome is ids and numbers; the payload is resolved anew from them.
//!
//! The row is written in the request's own transaction, so it exists exactly if the request took effect. Refusals are
//! not stored: nothing happened that a repetition could double.

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority, record};
use crate::id::UserId;

/// The longest key. (Stripe's limit.)
pub const KEY_MAX: usize = 255;

record! {
    /// One keyed request of a user.
    pub struct Key {
        /// Whose.
        user_id: UserId,
        /// The client's key.
        key: String,
    }
}

record! {
    /// The row kept for a keyed request.
    pub struct Answer {
        /// Whose.
        user_id: UserId,
        /// The client's key.
        key: String,
        /// Which mutation.
        operation: &'static str,
        /// Of its input.
        fingerprint: String,
        /// Ids and numbers, as JSON.
        outcome: String,
        /// When.
        created_at: Timestamp,
    }
}

/// What is on record for a key.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Stored {
    /// Whose.
    pub user_id: UserId,
    /// The client's key.
    pub key: String,
    /// Which mutation.
    pub operation: String,
    /// Of its input.
    pub fingerprint: String,
    /// Ids and numbers, as JSON.
    pub outcome: String,
}

/// What a stored answer means for a request with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall<T> {
    /// The same request: answer with its outcome.
    Same(T),
    /// Another request under the same key: refuse.
    Reused,
}

impl Stored {
    /// Compares a request with what is on record.
    pub fn recall<T: DeserializeOwned>(&self, operation: &str, fingerprint: &str) -> Recall<T> {
        if self.operation != operation || self.fingerprint != fingerprint {
            return Recall::Reused;
        }
        // An outcome of an older release that no longer reads is as good as another request: refused, never re-run.
        serde_json::from_str(&self.outcome).map_or(Recall::Reused, Recall::Same)
    }
}

/// A key clients may use: 1 to 255 visible ASCII characters.
pub fn is_valid_key(key: &str) -> bool {
    (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The fingerprint of an input: SHA-256 of its JSON.
pub fn fingerprint(input: &impl Serialize) -> String {
    let json = serde_json::to_vec(input).unwrap_or_default();
    Sha256::digest(&json).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the row for a request that took effect.
pub fn answer(
    user: UserId,
    key: String,
    operation: &'static str,
    fingerprint: String,
    outcome: &impl Serialize,
    now: Timestamp,
) -> Answer {
    let outcome = serde_json::to_string(outcome).unwrap_or_default();
    Answer { user_id: user, key, operation, fingerprint, outcome, created_at: now }
}

/// What is on record for these keys.
pub async fn look_up(c: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Stored>, DbError> {
    let sql = "SELECT i.user_id, i.key, i.operation, i.fingerprint, i.outcome
               FROM {records} JOIN idempotency i ON i.user_id = r.user_id AND i.key = r.key";
    db::select_by(c, sql, keys, []).await
}

/// Keeps answers.
pub async fn keep(tx: &db::Tx, answers: &[Answer]) -> Result<(), DbError> {
    db::insert(tx, "idempotency", answers, "").await?;
    Ok(())
}

/// Deletes answers given before an instant, at most `limit`, the oldest first. Says how many.
pub async fn purge(db: &Db, before: Timestamp, limit: i64) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let sql = "DELETE FROM idempotency WHERE (user_id, key) IN
                   (SELECT user_id, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
        db::run(&tx, sql, [before.into(), limit.into()]).await
    })
    .await
}
