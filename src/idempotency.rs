//! Answers to repeated requests: the key, the fingerprint of the input, and the outcome of the first request.
//! Not here: payloads. An outcome holds ids and numbers, from which the payload is resolved again.
//!
//! The row is written in the transaction of the request, so it exists exactly if the request took effect. Refusals are
//! not stored, because they change nothing that a repetition could change twice.

use std::collections::HashMap;

use sea_orm::FromQueryResult;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, MaybeDb, Priority, Tx, is_unique_violation, record};
use crate::id::UserId;

/// Longest key; the limit of Stripe.
pub const KEY_MAX: usize = 255;

record! {
    #[derive(PartialEq, Eq, Hash)]
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

/// Request of a user under an idempotency key.
#[derive(Debug, Clone)]
pub struct Keyed {
    key: Key,
    operation: &'static str,
    fingerprint: String,
}

impl Keyed {
    /// Returns the user and the key, which the request shares with its repetitions.
    pub fn key(&self) -> &Key {
        &self.key
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

impl Keyed {
    /// Returns the key of a request with its operation and fingerprint; `None` for a request without a key.
    pub fn of(user_id: UserId, key: Option<String>, operation: &'static str, input: &impl Serialize) -> Option<Self> {
        key.map(|key| Self { key: Key { user_id, key }, operation, fingerprint: fingerprint(input) })
    }

    /// Creates the row to store once the request took effect.
    pub fn answer(&self, outcome: &impl Serialize, now: Timestamp) -> Answer {
        let Self { key: Key { user_id, key }, operation, fingerprint } = self.clone();
        let outcome = serde_json::to_string(outcome).unwrap_or_default();
        Answer { user_id, key, operation, fingerprint, outcome, created_at: now }
    }

    /// Returns the answer to the first request with this key, if there was one.
    pub async fn recall<T: DeserializeOwned>(&self, tx: &Tx) -> Result<Option<Recall<T>>, DbError> {
        Ok(Answers::of(tx, [self]).await?.recall(self))
    }
}

/// Stored answers to a batch of requests.
pub struct Answers(HashMap<Key, Stored>);

impl Answers {
    /// Reads the stored answers to these requests. Inside the locks of a request it waits for the first one of its key.
    pub async fn of<'a>(tx: &Tx, requests: impl IntoIterator<Item = &'a Keyed>) -> Result<Self, DbError> {
        let keys: Vec<Key> = requests.into_iter().map(|request| request.key.clone()).collect();
        let sql = "SELECT i.user_id, i.key, i.operation, i.fingerprint, i.outcome
                   FROM {records} JOIN idempotency i ON i.user_id = r.user_id AND i.key = r.key";
        let stored: Vec<Stored> = db::select_by(tx, sql, &keys, []).await?;
        Ok(Self(stored.into_iter().map(|row| (Key { user_id: row.user_id, key: row.key.clone() }, row)).collect()))
    }

    /// Returns the stored answer to a request, if there is one.
    pub fn recall<T: DeserializeOwned>(&self, request: &Keyed) -> Option<Recall<T>> {
        Some(self.0.get(&request.key)?.recall(request.operation, &request.fingerprint))
    }
}

/// Runs the transaction of a request, and once more if another request took its key, or another unique value, between
/// its reads and its writes.
pub async fn once<T, E, Fut>(request: impl Fn() -> Fut) -> Result<T, E>
where
    E: MaybeDb,
    Fut: Future<Output = Result<T, E>>,
{
    match request().await {
        Err(error) if error.db().is_some_and(is_unique_violation) => request().await,
        outcome => outcome,
    }
}

/// Stores the answers of requests.
pub async fn keep(tx: &Tx, answers: &[Answer]) -> Result<(), DbError> {
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
