//! What the brakes keep: rows of failures, of turns and of familiar places, under keys that do not tell whose they are.
//! Not here: who is counted, given a turn or refused.

use std::time::Duration;

use sea_orm::{ConnectionTrait, FromQueryResult};
use sha2::{Digest, Sha256};

use super::Patience;
use crate::clock::Micros;
use crate::db::{self, Db, DbError, Lane, record};

/// After so long without a failure a brake is released; after so long a turn is lost.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// How long a place counts as one the account is signed in from.
pub const FAMILIAR_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);

/// A brake: how many failures, and when the last one was. Or a turn: when it was given, and when it begins (`until`). Or
/// a familiar place: when it was last seen to be one.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Row {
    /// Of whom; a digest.
    pub key: String,
    /// How many; of a turn 1, of a familiar place none.
    pub failures: i64,
    /// When a turn begins.
    pub until: Micros,
    /// When it was last written.
    pub last_at: Micros,
}

record! {
    /// A row to be looked up.
    pub struct Key {
        /// Its key.
        key: String,
    }
}

impl Row {
    /// Until when to wait.
    pub fn waits_until(&self, patience: Patience, now: Micros) -> Micros {
        let is_of_another_clock = self.last_at > now.plus(patience.longest);
        if self.is_stale(now) || is_of_another_clock { now } else { self.last_at.plus(patience.after(self.failures)) }
    }

    /// Whether this turn still is one; no wait is longer than the longest.
    pub fn is_turn(&self, patience: Patience, now: Micros) -> bool {
        !self.is_stale(now) && self.until <= now.plus(patience.longest)
    }

    /// Whether it is forgotten, swept away or not.
    pub fn is_stale(&self, now: Micros) -> bool {
        self.last_at <= now.minus(FORGOTTEN_AFTER)
    }
}

/// The rows under these keys.
pub async fn read(c: &impl ConnectionTrait, keys: impl Iterator<Item = String>) -> Result<Vec<Row>, DbError> {
    let sql = "SELECT b.key, b.failures, b.until, b.last_at FROM {records} JOIN brake b ON b.key = r.key";
    db::select_by(c, sql, &keys.map(|key| Key { key }).collect::<Vec<_>>(), []).await
}

/// Deletes what is forgotten: failures after their time, familiar places after theirs.
pub async fn forget(db: &Db, now: Micros) -> Result<u64, DbError> {
    let sql = "DELETE FROM brake WHERE last_at < $1 AND (failures > 0 OR last_at < $2)";
    let binds = [now.minus(FORGOTTEN_AFTER).into(), now.minus(FAMILIAR_FOR).into()];
    db.write(Lane::Worker, |tx| {
        let binds = binds.clone();
        async move { db::run(&tx, sql, binds).await }
    })
    .await
}

/// A key that does not tell what it is about.
pub fn key(brake: &str, parts: &[&str]) -> String {
    let digest = parts.iter().fold(Sha256::new().chain_update(brake), |digest, part| {
        digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
    });
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
