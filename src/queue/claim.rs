//! Taking jobs and giving them back: every step a statement, every exit from `running` fenced by the lease's token.
//! Not here: running them (`worker`).
//!
//! ```text
//!  available ──claim (attempt + 1, token, lease)──► running ──► succeeded   with its effects, in one transaction
//!      ▲                                              │  ├────► available   failed, attempts left: run_at = now + backoff
//!      └──── lease ran out, or handed back ◄──────────┘  └────► dead        no attempts left, or it cannot succeed
//! ```
//!
//! A job has a token exactly as long as it runs, so the token alone is asked for: with `state = 'running'` in the condition
//! PostgreSQL may read the whole partial index `job_leased` instead of the primary key.
//!
//! Attempts and crashes are counted from the last chunk a job finished: a long job ends when it is stuck, not when it was
//! interrupted often.

use std::time::Duration;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::Queue;
use crate::clock::Timestamp;
use crate::db::{self, Cell, Column, Db, DbError, Priority, Tx, record};
use crate::id::DomainEventId;

/// A job in hand.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// Where it waited.
    pub queue: String,
    /// Which handler.
    pub kind: String,
    /// JSON of ids.
    pub args: String,
    /// The domain event it follows from.
    pub domain_event_id: Option<DomainEventId>,
    /// Attempts begun, this one included.
    pub attempt: i64,
    /// Attempts in all.
    pub max_attempts: i64,
    /// Durable cursor of a job that works in chunks.
    pub progress: Option<String>,
}

/// Proof of holding jobs: made per claim, unknown to anybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Token(pub Uuid);

impl Cell for Token {
    const COLUMN: Column = Column::Uuid;
}

/// How a lease that ran out this often ends: a job that keeps killing its worker is put away.
const CRASHES_MAX: i64 = 3;

/// Kinds of job that a statement is about. A job of a kind that only a later release knows is left to a process of that
/// release: never claimed, never counted as crashed.
#[derive(Debug, Clone, Copy)]
pub enum Kinds<'a> {
    /// Every kind; for repairs by hand, and tests.
    Any,
    /// These; names from the code, so they may stand in a statement.
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

/// Which due jobs a claim is after.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How many at most.
    pub limit: i64,
    /// Which queue of [`Queue::ALL`] is asked first, counted round. Who begins elsewhere each time lets no queue that
    /// fills a whole claim keep the others waiting.
    pub first: usize,
    /// Kinds there is room for.
    pub kinds: Kinds<'a>,
}

impl Wanted<'_> {
    /// Up to so many, whatever they are.
    pub fn up_to(limit: i64) -> Self {
        Self { limit, first: 0, kinds: Kinds::Any }
    }
}

/// Takes due jobs.
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

/// Whether any such job is due; spares the writer an empty claim.
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

/// Ends jobs well. Returns those that were still ours; the others' effects must not be written.
pub async fn succeed(tx: &Tx, ids: &[i64], token: Token, now: Timestamp) -> Result<Vec<i64>, DbError> {
    let sql = "UPDATE job SET state = 'succeeded', lease_token = NULL, lease_until = NULL, finished_at = $2, last_error = NULL
               FROM {records} WHERE job.id = r.id AND job.lease_token = r.lease_token
               RETURNING job.id";
    let rows: Vec<Finished> = db::select_by(tx, sql, &held(ids, token), [now.into()]).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

record! {
    /// A job that is not done.
    pub struct Failed {
        /// Which.
        id: i64,
        /// Whose lease.
        lease_token: Token,
        /// Attempts this one counts as: 1, or 0 where the job is not to blame.
        charge: i64,
        /// 1: no attempt can do it.
        hopeless: i64,
        /// The next attempt.
        run_at: Timestamp,
        /// What went wrong; internal.
        last_error: String,
    }
}

/// Puts jobs back for another attempt, or away when none is left. Says which were put away.
pub async fn fail(tx: &Tx, failed: &[Failed], now: Timestamp) -> Result<Vec<i64>, DbError> {
    // The row counts, not the claim: a chunk may have set the attempts back meanwhile.
    let dead = "r.hopeless = 1 OR (r.charge = 1 AND job.attempt >= job.max_attempts)";
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

/// Makes the lease longer. Fewer rows than jobs: some are no longer ours.
pub async fn renew(db: &Db, ids: &[i64], token: Token, until: Timestamp) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let sql = "UPDATE job SET lease_until = $2 FROM {records}
                   WHERE job.id = r.id AND job.lease_token = r.lease_token";
        db::update_by(&tx, sql, &held(ids, token), [until.into()]).await
    })
    .await
}

/// Moves a job's durable cursor, in the transaction of the chunk's effects, and counts attempts and crashes anew. False:
/// it is no longer ours, write nothing.
pub async fn advance(tx: &Tx, id: i64, token: Token, progress: &str) -> Result<bool, DbError> {
    let sql = "UPDATE job SET progress = $1, attempt = 1, crashes = 0 WHERE id = $2 AND lease_token = $3";
    Ok(db::run(tx, sql, [progress.into(), id.into(), token.0.into()]).await? == 1)
}

/// Frees jobs whose worker died: back to the queue, or away when that happened too often.
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

/// Whether any lease ran out; spares the writer an empty rescue.
pub async fn is_any_orphaned(db: &Db, kinds: Kinds<'_>, now: Timestamp) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT count(*) AS n FROM (SELECT 1 FROM job WHERE state = 'running' AND lease_until < $1{} LIMIT 1) found",
        kinds.condition()
    );
    Ok(db::number(db.read(), &sql, [now.into()]).await? > 0)
}
