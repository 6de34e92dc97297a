//! Counters of failures, and the wait that follows from them. The key of a row reveals neither account nor network.
//! Not here: the choice of the counters of an attempt (`throttle`).

use std::time::Duration;

use sea_orm::{ConnectionTrait, FromQueryResult};
use sha2::{Digest, Sha256};

use crate::account::Error;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, record};

/// A counter without a failure for this long starts anew.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// Exponential backoff of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Number of failures without a wait.
    pub free: i64,
    /// Longest wait. Beyond the free failures the wait is 1 s, 2 s, 4 s … up to this.
    pub longest: Duration,
}

impl Backoff {
    /// Returns the wait after a number of failures.
    fn after(&self, failures: i64) -> Duration {
        match u32::try_from(failures - self.free) {
            Ok(beyond) if failures > 0 => {
                Duration::from_secs(1_u64.checked_shl(beyond).unwrap_or(u64::MAX)).min(self.longest)
            }
            _ => Duration::ZERO,
        }
    }
}

/// One counter that an attempt counts under.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    /// Name of the counter in the log.
    name: &'static str,
    /// Key of the counter's row.
    pub key: String,
    backoff: Backoff,
}

/// The row of a counter.
#[derive(Debug, Clone, FromQueryResult)]
struct Row {
    key: String,
    failures: i64,
    last_at: Timestamp,
}

record! {
    /// Key of a row to look up.
    struct Key {
        key: String,
    }
}

record! {
    /// One more failure of a counter, with the values to restore.
    pub(super) struct Counted {
        /// Key of the counter's row.
        key: String,
        /// Number of failures, this one included.
        failures: i64,
        /// Time of this failure.
        at: Timestamp,
        /// Time of the failure before it.
        last_at: Timestamp,
    }
}

impl Counter {
    /// Returns the counter of the account or network that `parts` name.
    pub fn new(name: &'static str, parts: &[&str], backoff: Backoff) -> Self {
        Self { name, key: key(name, parts), backoff }
    }

    /// Returns the remaining wait. It is zero below the limit, whatever the time of the last failure. That time may be
    /// later than `now` if another attempt of this moment was counted first or the clock of another process is ahead.
    /// If it is further ahead than the longest wait, it is from a clock that was set back, and is ignored.
    fn wait(&self, row: &Row, now: Timestamp) -> Duration {
        let wait = self.backoff.after(row.failures);
        if wait.is_zero() || row.is_stale(now) || row.last_at > now.plus(self.backoff.longest) {
            return Duration::ZERO;
        }
        Duration::from_micros(u64::try_from(row.last_at.plus(wait).0 - now.0).unwrap_or(0))
    }
}

impl Row {
    fn is_stale(&self, now: Timestamp) -> bool {
        self.last_at <= now.minus(FORGOTTEN_AFTER)
    }

    fn counted(&self, now: Timestamp) -> Counted {
        let failures = if self.is_stale(now) { 1 } else { self.failures.saturating_add(1) };
        Counted { key: self.key.clone(), failures, at: now, last_at: self.last_at }
    }
}

/// Counts an attempt under all of these counters, or under none if one of them has to wait.
pub(super) async fn count(ctx: &Ctx, mut counters: Vec<Counter>) -> Result<Vec<Counted>, Error> {
    counters.sort_by(|a, b| a.key.cmp(&b.key)); // rows are locked in this order
    let keys: Vec<Key> = counters.iter().map(|counter| Key { key: counter.key.clone() }).collect();
    let now = ctx.now();
    // First read without a lock, so that refused attempts never enter the write queue.
    let sql = "SELECT t.key, t.failures, t.last_at FROM {records} JOIN throttle t ON t.key = r.key";
    admit(&counters, &db::select_by(ctx.db.read(), sql, &keys, []).await?, now)?;
    let (keys, counters) = (&keys, &counters);
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            // Inserts the missing rows and locks all of them.
            let sql = "INSERT INTO throttle (key, failures, last_at) SELECT r.key, 0, $2 FROM {records}
                       WHERE true ON CONFLICT (key) DO UPDATE SET failures = throttle.failures
                       RETURNING key, failures, last_at";
            let rows: Vec<Row> = db::select_by(&tx, sql, keys, [now.into()]).await?;
            admit(counters, &rows, now)?;
            let counted: Vec<Counted> = rows.iter().map(|row| row.counted(now)).collect();
            let sql =
                "UPDATE throttle SET failures = r.failures, last_at = r.at FROM {records} WHERE throttle.key = r.key";
            db::update_by(&tx, sql, &counted, []).await?;
            Ok::<_, Error>(counted)
        })
        .await
}

/// Refuses an attempt for the longest wait among its counters.
fn admit(counters: &[Counter], rows: &[Row], now: Timestamp) -> Result<(), Error> {
    let row = |counter: &Counter| rows.iter().find(|row| row.key == counter.key);
    let waits = counters.iter().filter_map(|counter| Some((counter.wait(row(counter)?, now), counter.name)));
    match waits.max() {
        Some((wait, counter)) if !wait.is_zero() => Err(Error::Throttled { wait, counter }),
        _ => Ok(()),
    }
}

/// Takes failures back and resets the counter `released`. The time of the last failure is restored unless there was
/// another failure since.
pub(super) async fn take_back(
    c: &impl ConnectionTrait,
    counted: &[Counted],
    released: Option<&str>,
) -> Result<(), DbError> {
    let sql = "UPDATE throttle SET
               failures = CASE WHEN throttle.key = $2 OR throttle.failures < 1 THEN 0 ELSE throttle.failures - 1 END,
               last_at = CASE WHEN throttle.last_at = r.at THEN r.last_at ELSE throttle.last_at END
               FROM {records} WHERE throttle.key = r.key";
    db::update_by(c, sql, counted, [released.map(str::to_owned).into()]).await.map(drop)
}

/// Returns the key of a counter: a digest of its name and `parts`.
pub(super) fn key(name: &str, parts: &[&str]) -> String {
    let digest = parts.iter().fold(Sha256::new().chain_update(name), |digest, part| {
        digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
    });
    hex::encode(&digest.finalize()[..16])
}
