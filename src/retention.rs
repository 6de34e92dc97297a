//! Retention: the times for which data of finished work is kept, and the sweep that deletes it in chunks.
//! Not here: the statements (each slice has its own), and data of sign-ins (`account`).
//!
//! Domain events and notices are never deleted. Streams resume from domain events however old their cursor is. Notices
//! are the messages of a user, numbered without gaps.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ctx::Ctx;
use crate::db::DbError;
use crate::queue::purge::Ended;
use crate::{idempotency, notification, queue};

/// Rows deleted in one transaction: it occupies the writer for a few milliseconds, and then bookings have precedence.
const CHUNK: u64 = 500;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Retention times by kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Retention of jobs that succeeded; 7 days.
    pub jobs: Duration,
    /// Retention of jobs that failed for good, which operators inspect; 90 days.
    pub dead_jobs: Duration,
    /// Retention of the record of deliveries; 90 days.
    pub deliveries: Duration,
    /// Retention of idempotency keys with their answers; 48 hours, never less than 24.
    pub idempotency_keys: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { jobs: 7 * DAY, dead_jobs: 90 * DAY, deliveries: 90 * DAY, idempotency_keys: 2 * DAY }
    }
}

/// Kind of data to delete.
#[derive(Debug, Clone, Copy)]
enum Trace {
    Jobs,
    DeadJobs,
    Deliveries,
    IdempotencyKeys,
}

impl Trace {
    const ALL: [Self; 4] = [Self::Jobs, Self::DeadJobs, Self::Deliveries, Self::IdempotencyKeys];

    /// Deletes the next chunk. Returns the number of rows.
    async fn purge(self, ctx: &Ctx, keep: &Settings) -> Result<u64, DbError> {
        let (db, now, limit) = (&ctx.db, ctx.now(), CHUNK as i64);
        match self {
            Self::Jobs => queue::purge::purge(db, Ended::Well, now.minus(keep.jobs), limit).await,
            Self::DeadJobs => queue::purge::purge(db, Ended::Badly, now.minus(keep.dead_jobs), limit).await,
            Self::Deliveries => notification::purge::purge(db, now.minus(keep.deliveries), limit).await,
            Self::IdempotencyKeys => idempotency::purge(db, now.minus(keep.idempotency_keys), limit).await,
        }
    }
}

/// Deletes all data past its retention, a chunk of each kind in turn, until nothing is left or `stop`. Returns the
/// number of rows.
pub async fn sweep(ctx: &Ctx, keep: &Settings, stop: &CancellationToken) -> u64 {
    let mut left = Trace::ALL.to_vec();
    let mut deleted = 0;
    while !left.is_empty() {
        let mut more = Vec::new();
        for trace in left {
            if stop.is_cancelled() {
                return deleted;
            }
            match trace.purge(ctx, keep).await {
                Ok(rows) => {
                    deleted += rows;
                    if rows == CHUNK {
                        more.push(trace);
                    }
                }
                Err(error) => tracing::error!(%error, ?trace, "cannot delete data past its retention"),
            }
        }
        left = more;
    }
    deleted
}
