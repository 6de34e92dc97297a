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

use super::Queue;
use crate::clock::Timestamp;
use crate::db::{self, Cell, Column, Db, DbError, Priority, Tx, record};
use crate::id::DomainEventId;

/// Job as claimed by a worker.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Job {
    /// Number of the job.
    pub id: i64,
    /// Name of its queue.
    pub queue: String,
    /// Kind of the job; selects the handler.
    pub kind: String,
    /// Arguments: ids, as JSON.
    pub args: String,
    /// Domain event that caused the job.
    pub domain_event_id: Option<DomainEventId>,
    /// Attempts begun, this one included.
    pub attempt: i64,
    /// Attempts in total.
    pub max_attempts: i64,
    /// Durable cursor of a job that works in chunks.
    pub progress: Option<String>,
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

/// Kinds of job that a statement applies to. A job of a kind that only a later release knows is left to a process of
/// that release: it is never claimed here, and never counted as crashed.
#[derive(Debug, Clone, Copy)]
pub enum Kinds<'a> {
    /// Every kind; for repairs by hand, and tests.
    Any,
    /// The listed kinds. The names are constants of the code, so they may be part of the statement text.
    These(&'a [&'a str]),
}

impl Kinds<'_> {
    fn condition(self) -> String {
        match self {
            Self::Any => String::new(),
            Self::These(kinds) => format!(" AND kind IN ('{}')", kinds.join("', '")),
        }
    }
}

/// Selection of due jobs for a claim.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Upper limit of the number of jobs.
    pub limit: i64,
    /// Index in [`Queue::ALL`] of the queue to read first, modulo its length. Each claim begins at another queue, so
    /// that a queue that fills a whole claim does not block the others.
    pub first: usize,
    /// Kinds for which the worker has a free permit.
    pub kinds: Kinds<'a>,
}

impl Wanted<'_> {
    /// Selects up to `limit` jobs of any queue and kind.
    pub fn up_to(limit: i64) -> Self {
        Self { limit, first: 0, kinds: Kinds::Any }
    }
}

/// Claims due jobs.
pub async fn claim(
    db: &Db,
    wanted: Wanted<'_>,
    now: Timestamp,
    lease: Duration,
    token: Token,
) -> Result<Vec<Job>, DbError> {
    let mut jobs: Vec<Job> = db
        .write(Priority::Worker, |tx| async move {
            let mut taken = Vec::new();
            for n in 0..Queue::ALL.len() {
                let queue = Queue::ALL[(wanted.first % Queue::ALL.len() + n) % Queue::ALL.len()];
                let limit = wanted.limit - taken.len() as i64;
                if limit > 0 {
                    taken.extend(claim_of(&tx, queue, Wanted { limit, ..wanted }, now, lease, token).await?);
                }
            }
            Ok::<_, DbError>(taken)
        })
        .await?;
    jobs.sort_by_key(|job| job.id);
    Ok(jobs)
}

async fn claim_of(
    tx: &Tx,
    queue: Queue,
    wanted: Wanted<'_>,
    now: Timestamp,
    lease: Duration,
    token: Token,
) -> Result<Vec<Job>, DbError> {
    let sql = format!(
        "UPDATE job SET state = 'running', attempt = attempt + 1, lease_until = $1, lease_token = $2
         WHERE id IN (SELECT id FROM job WHERE queue = $3 AND state = 'available' AND run_at <= $4{}
                      ORDER BY priority, run_at, id LIMIT $5{})
         RETURNING id, queue, kind, args, domain_event_id, attempt, max_attempts, progress",
        wanted.kinds.condition(),
        db::skip_locked(tx)
    );
    let binds = [now.plus(lease).into(), token.0.into(), queue.name().into(), now.into(), wanted.limit.into()];
    db::all(tx, &sql, binds).await
}

/// Returns true if any selected job is due. Saves the writer an empty claim.
pub async fn is_any_due(db: &Db, wanted: Wanted<'_>, now: Timestamp) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT count(*) AS n FROM (SELECT 1 FROM job WHERE queue IN ('emails', 'notifications', 'tickets')
         AND state = 'available' AND run_at <= $1{} LIMIT 1) found",
        wanted.kinds.condition()
    );
    Ok(db::number(db.read(), &sql, [now.into()]).await? > 0)
}

record! {
    struct Held {
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

fn held(ids: &[i64], token: Token) -> Vec<Held> {
    ids.iter().map(|id| Held { id: *id, lease_token: token }).collect()
}

/// Completes jobs. Returns those with a lease still held; the effects of the others must not be written.
pub async fn succeed(tx: &Tx, ids: &[i64], token: Token, now: Timestamp) -> Result<Vec<i64>, DbError> {
    let sql = "UPDATE job SET state = 'succeeded', lease_token = NULL, lease_until = NULL, finished_at = $2, last_error = NULL
               FROM {records} WHERE job.id = r.id AND job.lease_token = r.lease_token
               RETURNING job.id";
    let rows: Vec<Finished> = db::select_by(tx, sql, &held(ids, token), [now.into()]).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

record! {
    /// Attempt of a job that did not complete.
    pub struct Failed {
        /// Number of the job.
        id: i64,
        /// Token of the lease.
        lease_token: Token,
        /// Attempts to count: 1, or 0 if the failure is not caused by the job.
        charge: i64,
        /// 1 if no attempt can succeed.
        permanent: i64,
        /// Time of the next attempt.
        run_at: Timestamp,
        /// Internal error text.
        last_error: String,
    }
}

/// Makes failed jobs available for another attempt, or dead if none is left. Returns the dead ones.
pub async fn fail(tx: &Tx, failed: &[Failed], now: Timestamp) -> Result<Vec<i64>, DbError> {
    // Compares the row, not the claimed job: a chunk may have reset the attempts meanwhile.
    let dead = "r.permanent = 1 OR (r.charge = 1 AND job.attempt >= job.max_attempts)";
    let sql = format!(
        "UPDATE job SET state = CASE WHEN {dead} THEN 'dead' ELSE 'available' END, attempt = job.attempt - 1 + r.charge,
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
        db::update_by(&tx, sql, &held(ids, token), [until.into()]).await
    })
    .await
}

/// Moves the durable cursor of a job in the transaction of the chunk's effects, and resets its attempts and crashes.
/// Returns false if the lease is lost; then nothing may be written.
pub async fn advance(tx: &Tx, id: i64, token: Token, progress: &str) -> Result<bool, DbError> {
    let sql = "UPDATE job SET progress = $1, attempt = 1, crashes = 0 WHERE id = $2 AND lease_token = $3";
    Ok(db::run(tx, sql, [progress.into(), id.into(), token.0.into()]).await? == 1)
}

/// Frees jobs with an expired lease: available again, or dead after too many crashes.
pub async fn rescue(db: &Db, kinds: Kinds<'_>, now: Timestamp) -> Result<u64, DbError> {
    let sql = format!(
        "UPDATE job SET crashes = crashes + 1, lease_token = NULL, lease_until = NULL, run_at = $1,
                   last_error = 'the worker disappeared',
                   state = CASE WHEN crashes + 1 >= $2 OR attempt >= max_attempts THEN 'dead' ELSE 'available' END,
                   finished_at = CASE WHEN crashes + 1 >= $2 OR attempt >= max_attempts THEN $1 ELSE NULL END
         WHERE state = 'running' AND lease_until < $1{}",
        kinds.condition()
    );
    let sql = &sql;
    db.write(Priority::Worker, |tx| async move { db::run(&tx, sql, [now.into(), CRASHES_MAX.into()]).await }).await
}

/// Returns true if any lease has expired. Saves the writer an empty rescue.
pub async fn is_any_orphaned(db: &Db, kinds: Kinds<'_>, now: Timestamp) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT count(*) AS n FROM (SELECT 1 FROM job WHERE state = 'running' AND lease_until < $1{} LIMIT 1) found",
        kinds.condition()
    );
    Ok(db::number(db.read(), &sql, [now.into()]).await? > 0)
}
