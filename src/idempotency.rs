//! Answers to repeated requests: the key, the fingerprint of the input, and the outcome of the first request.
//! Not here: payloads. An outcome holds ids and numbers, from which the payload is resolved again.
//!
//! The row is written in the transaction of the request, so it exists exactly if the request took effect. Refusals are
//! not stored, because they change nothing that a repetition could change twice.

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority, record};
use crate::id::UserId;

/// Longest key; the limit of Stripe.
pub const KEY_MAX: usize = 255;

record! {
    /// Key of one request of a user.
    pub struct Key {
        /// User that sent the request.
        user_id: UserId,
        /// Key that the client chose.
        key: String,
    }
}

record! {
    /// Row kept for a request with a key.
    pub struct Answer {
        /// User that sent the request.
        user_id: UserId,
        /// Key that the client chose.
        key: String,
        /// Name of the mutation.
        operation: &'static str,
        /// Fingerprint of the input.
        fingerprint: String,
        /// Ids and numbers, as JSON.
        outcome: String,
        /// Time of the answer.
        created_at: Timestamp,
    }
}

/// Stored answer of a key.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Stored {
    /// User that sent the request.
    pub user_id: UserId,
    /// Key that the client chose.
    pub key: String,
    /// Name of the mutation.
    pub operation: String,
    /// Fingerprint of the input.
    pub fingerprint: String,
    /// Ids and numbers, as JSON.
    pub outcome: String,
}

/// Result of comparing a request with the stored answer of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recall<T> {
    /// The same request: it is answered with the stored outcome.
    Same(T),
    /// Another request under the same key: it is refused.
    Reused,
}

impl Stored {
    /// Compares a request with the stored answer.
    pub fn recall<T: DeserializeOwned>(&self, operation: &str, fingerprint: &str) -> Recall<T> {
        if self.operation != operation || self.fingerprint != fingerprint {
            return Recall::Reused;
        }
        // An unreadable outcome of an older release counts as another request: it is refused, and never run again.
        serde_json::from_str(&self.outcome).map_or(Recall::Reused, Recall::Same)
    }
}

/// Returns true if a client may use the key: 1 to 255 visible ASCII characters.
pub fn is_valid_key(key: &str) -> bool {
    (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns the fingerprint of an input: SHA-256 of its JSON with fields in alphabetical order and without empty ones.
/// An input of an older release has the same fingerprint, therefore, after a field was added that may be left out.
pub fn fingerprint(input: &impl Serialize) -> String {
    let given = serde_json::to_value(input).ok().and_then(given).unwrap_or_default();
    hex::encode(Sha256::digest(given.to_string().as_bytes()))
}

/// Returns the part of a value that was given; `None` for null and for an empty text, list or object. Items of a list
/// keep their positions.
fn given(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(Value::String(text)),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.into_iter().map(|item| given(item).unwrap_or_default()).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().filter_map(|(name, value)| Some((name, given(value)?))).collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            (!fields.is_empty()).then(|| fields.into_iter().collect())
        }
        Value::Bool(_) | Value::Number(_) => Some(value),
    }
}

/// Creates the row for a request that took effect.
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

/// Returns the stored answers of these keys.
pub async fn look_up(c: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Stored>, DbError> {
    let sql = "SELECT i.user_id, i.key, i.operation, i.fingerprint, i.outcome
               FROM {records} JOIN idempotency i ON i.user_id = r.user_id AND i.key = r.key";
    db::select_by(c, sql, keys, []).await
}

/// Stores the answers of requests.
pub async fn keep(tx: &db::Tx, answers: &[Answer]) -> Result<(), DbError> {
    db::insert(tx, "idempotency", answers, "").await?;
    Ok(())
}

/// Deletes at most `limit` answers given before an instant, the oldest first. Returns their number.
pub async fn purge(db: &Db, before: Timestamp, limit: i64) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let sql = "DELETE FROM idempotency WHERE (user_id, key) IN
                   (SELECT user_id, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
        db::run(&tx, sql, [before.into(), limit.into()]).await
    })
    .await
}
