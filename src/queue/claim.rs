//! Claiming jobs and ending their leases: each step is one statement, and each exit from `running` is fenced by the
//! token of the lease.
//! Not here: running jobs (`worker`).
//!
//! ```text
//!  available ──claim (attempt + 1, token, lease)──► running ──► succeeded   with its effects, in one transaction
//!      ▲                                              │  ├────► available   attempts left: run_at = now + backoff
//!      └──── lease expired, or handed back ◄──────────┘  └────► dead        no attempts left, or it cannot succeed
//! ```
//!
//! A job has a token exactly while it runs, so statements check only the token. With `state = 'running'` in the
//! condition PostgreSQL may read the whole partial index `job_leased` instead of the primary key.
//!
//! Attempts and crashes are counted from the last chunk a job finished. So a long job dies when it makes no progress,
//! not when it was interrupted often.

use std::time::Duration;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Backoff, Queue};
use crate::clock::Timestamp;
use crate::db::{self, Cell, Column, Db, DbError, Priority, Tx, record};

/// Job as claimed by a worker.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Job {
    /// Number of the job.
    pub id: i64,
    /// Kind of the job; selects the handler.
    pub kind: String,
    /// Arguments as JSON.
    pub args: String,
    /// Attempts begun, this one included.
    pub attempt: i64,
    /// Durable cursor of a job that works in chunks.
    pub progress: Option<String>,
    first_wait_ms: i64,
    waits_double: i64,
    lease_token: Uuid,
}

impl Job {
    /// Returns the proof that this worker holds the job.
    pub fn held(&self) -> Held {
        Held { id: self.id, token: Token(self.lease_token) }
    }

    /// Returns the growth of the waits between its attempts.
    pub fn backoff(&self) -> Backoff {
        Backoff::of_stored(self.first_wait_ms, self.waits_double)
    }
}

/// Job held under a lease.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Number of the job.
    pub id: i64,
    /// Fencing token of the lease.
    pub token: Token,
}

/// Fencing token of a claim: made per claim, and known only to its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Token(pub Uuid);

impl Cell for Token {
    const COLUMN: Column = Column::Uuid;
}

/// Number of expired leases after which a job is dead, because it keeps killing its worker.
const CRASHES_MAX: i64 = 3;

record! {
    /// Queue and kind, of which the jobs are selected together.
    pub struct Source {
        /// Queue of the jobs.
        queue: Queue,
        /// Kind of the jobs. A job of a kind that only a later release knows is left to a process of that release: it
        /// is never claimed here, and never counted as crashed.
        kind: &'static str,
    }
}

/// First due job of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, FromQueryResult)]
pub struct Front {
    run_at: i64,
    id: i64,
    /// Name of its queue.
    pub queue: String,
    /// Kind of the job.
    pub kind: String,
}

/// Returns the first due job of each source that has one, the job to do first before the others.
pub async fn fronts(db: &Db, sources: &[Source], now: Timestamp) -> Result<Vec<Front>, DbError> {
    let sql = "SELECT job.run_at, job.id, job.queue, job.kind FROM {records} JOIN job ON job.id =
               (SELECT id FROM job due WHERE due.queue = r.queue AND due.kind = r.kind AND due.state = 'available'
                AND due.run_at <= $2 ORDER BY due.run_at, due.id LIMIT 1)";
    let mut fronts: Vec<Front> = db::select_by(db.read(), sql, sources, [now.into()]).await?;
    fronts.sort();
    Ok(fronts)
}

/// Claims up to `limit` due jobs of each source in one transaction. Returns those of each source, in the same order.
pub async fn claim(
    db: &Db,
    wanted: &[(Source, i64)],
    now: Timestamp,
    lease: Duration,
    token: Token,
) -> Result<Vec<Vec<Job>>, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let mut taken = Vec::new();
        for (source, limit) in wanted {
            taken.push(claim_of(&tx, source, *limit, now, lease, token).await?);
        }
        Ok(taken)
    })
    .await
}

async fn claim_of(
    tx: &Tx,
    source: &Source,
    limit: i64,
    now: Timestamp,
    lease: Duration,
    token: Token,
) -> Result<Vec<Job>, DbError> {
    let sql = format!(
        "UPDATE job SET state = 'running', attempt = attempt + 1, lease_until = $1, lease_token = $2
         WHERE id IN (SELECT id FROM job WHERE queue = $3 AND kind = $4 AND state = 'available' AND run_at <= $5
                      ORDER BY run_at, id LIMIT $6{})
         RETURNING id, kind, args, attempt, progress, first_wait_ms, waits_double, lease_token",
        db::skip_locked(tx)
    );
    let (queue, kind) = (source.queue.name(), source.kind);
    let binds = [now.plus(lease).into(), token.0.into(), queue.into(), kind.into(), now.into(), limit.into()];
    let mut jobs: Vec<Job> = db::all(tx, &sql, binds).await?;
    jobs.sort_by_key(|job| job.id);
    Ok(jobs)
}

record! {
    struct Key {
        id: i64,
        lease_token: Token,
    }
}

#[derive(FromQueryResult)]
struct Finished {
    id: i64,
}

#[derive(FromQueryResult)]
struct PutBack {
    id: i64,
    finished_at: Option<Timestamp>,
}

fn keys(ids: &[i64], token: Token) -> Vec<Key> {
    ids.iter().map(|id| Key { id: *id, lease_token: token }).collect()
}

/// Completes jobs. Returns those with a lease still held; the effects of the others must not be written.
pub async fn succeed(tx: &Tx, ids: &[i64], token: Token, now: Timestamp) -> Result<Vec<i64>, DbError> {
    let sql = "UPDATE job SET state = 'succeeded', lease_token = NULL, lease_until = NULL, finished_at = $2, last_error = NULL
               FROM {records} WHERE job.id = r.id AND job.lease_token = r.lease_token
               RETURNING job.id";
    let rows: Vec<Finished> = db::select_by(tx, sql, &keys(ids, token), [now.into()]).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

record! {
    /// Attempt of a job that did not complete.
    pub struct Failed {
        /// Number of the job.
        id: i64,
        /// Token of the lease.
        lease_token: Token,
        /// 1 if the attempt counts, 0 if the failure is not caused by the job.
        counts_attempt: i64,
        /// 1 if no attempt can succeed.
        is_permanent: i64,
        /// Time of the next attempt.
        run_at: Timestamp,
        /// Internal error text.
        last_error: String,
    }
}

/// Makes failed jobs available for another attempt, or dead if none is left. Returns the dead ones.
pub async fn fail(tx: &Tx, failed: &[Failed], now: Timestamp) -> Result<Vec<i64>, DbError> {
    // Compares the row, not the claimed job: a chunk may have reset the attempts meanwhile.
    let dead = "r.is_permanent = 1 OR (r.counts_attempt = 1 AND job.attempt >= job.max_attempts)";
    let sql = format!(
        "UPDATE job SET state = CASE WHEN {dead} THEN 'dead' ELSE 'available' END, attempt = job.attempt - 1 + r.counts_attempt,
         run_at = r.run_at, last_error = r.last_error, lease_token = NULL, lease_until = NULL,
         finished_at = CASE WHEN {dead} THEN CAST($2 AS bigint) ELSE NULL END
         FROM {{records}} WHERE job.id = r.id AND job.lease_token = r.lease_token
         RETURNING job.id, job.finished_at"
    );
    let rows: Vec<PutBack> = db::select_by(tx, &sql, failed, [now.into()]).await?;
    Ok(rows.into_iter().filter(|row| row.finished_at.is_some()).map(|row| row.id).collect())
}

/// Extends the lease. A result below the number of jobs means that some leases are lost.
pub async fn renew(db: &Db, ids: &[i64], token: Token, until: Timestamp) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let sql = "UPDATE job SET lease_until = $2 FROM {records}
                   WHERE job.id = r.id AND job.lease_token = r.lease_token";
        db::update_by(&tx, sql, &keys(ids, token), [until.into()]).await
    })
    .await
}

/// Moves the durable cursor of a job in the transaction of the chunk's effects, and resets its attempts and crashes.
/// Returns false if the lease is lost; then nothing may be written.
pub async fn advance(tx: &Tx, held: Held, progress: &str) -> Result<bool, DbError> {
    let sql = "UPDATE job SET progress = $1, attempt = 1, crashes = 0 WHERE id = $2 AND lease_token = $3";
    Ok(db::run(tx, sql, [progress.into(), held.id.into(), held.token.0.into()]).await? == 1)
}

/// Frees jobs of these kinds with an expired lease: available again, or dead after too many crashes.
pub async fn rescue(db: &Db, kinds: &[&'static str], now: Timestamp) -> Result<u64, DbError> {
    let sql = format!(
        "UPDATE job SET crashes = crashes + 1, lease_token = NULL, lease_until = NULL, run_at = $1,
                   last_error = 'the worker disappeared',
                   state = CASE WHEN crashes + 1 >= $2 OR attempt >= max_attempts THEN 'dead' ELSE 'available' END,
                   finished_at = CASE WHEN crashes + 1 >= $2 OR attempt >= max_attempts THEN $1 ELSE NULL END
         WHERE state = 'running' AND lease_until < $1 AND kind IN ({})",
        list(kinds)
    );
    let sql = &sql;
    db.write(Priority::Worker, |tx| async move { db::run(&tx, sql, [now.into(), CRASHES_MAX.into()]).await }).await
}

/// Returns true if any lease of a job of these kinds has expired. Saves the writer an empty rescue.
pub async fn is_any_orphaned(db: &Db, kinds: &[&'static str], now: Timestamp) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT count(*) AS n FROM (SELECT 1 FROM job WHERE state = 'running' AND lease_until < $1 AND kind IN ({})
                                    LIMIT 1) found",
        list(kinds)
    );
    Ok(db::number(db.read(), &sql, [now.into()]).await? > 0)
}

/// Returns kinds as a list in SQL. Their names are constants of the code, so they may be part of a statement's text.
fn list(kinds: &[&'static str]) -> String {
    format!("'{}'", kinds.join("', '"))
}
