//! The way to the database: `read`, `write`, and the statements both databases understand.
//! Not here: any table's name but the probe of an unclear commit. Nothing else in the program begins a transaction.
//!
//! * [`Db::write`] runs one closure in one transaction: `BEGIN IMMEDIATE` on SQLite, READ COMMITTED on PostgreSQL. A
//!   serialization failure or deadlock re-runs the whole closure (3 tries, jitter).
//! * On SQLite all writers of the process share one queue ([`write_queue`]): interactive first, then relay, then workers; none starves.
//! * When a connection dies during COMMIT, the transaction's *commit marker* (the first domain event it appended, whose id was made
//!   beforehand) tells whether it happened; nothing is ever re-run blindly.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, FromQueryResult, QueryResult, Statement, Value,
};
use tokio::sync::Notify;

use self::error::{is_disconnected, is_lost_race};
use self::transaction::Transaction;
use crate::id::{DomainEventId, RandomSource};

mod connect;
mod error;
mod file;
mod migrated;
mod pooler;
mod ready;
mod records;
mod settings;
mod transaction;
mod write_queue;

pub use connect::{ConnectError, STATEMENTS, Target, Trouble};
pub use error::{DbError, MaybeDb, is_lock_timeout, is_transient, is_unique_violation};
pub use ready::Unready;
pub(crate) use records::record;
pub use records::{Cell, Column, Record, insert, records_json, records_sql, select_by, update_by};
pub use settings::Settings;
pub use write_queue::Priority;

/// How soon a commit that lost its connection is asked after again.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How often a transaction that lost a race is run again before the error is the caller's.
const TRIES: u32 = 3;

/// The database: pools for reading and for writing, and on SQLite the queue of writers.
#[derive(Clone)]
pub struct Db {
    /// The one of the next two that this handle reads over.
    read: DatabaseConnection,
    viewers: DatabaseConnection,
    reserved: DatabaseConnection,
    write: DatabaseConnection,
    write_queue: Option<write_queue::WriteQueue>,
    file: Option<Arc<file::DataFile>>,
    /// See [`Settings::commit_answer`].
    ask_for: Duration,
    random: RandomSource,
    appended: Arc<Notify>,
    readiness: Arc<ready::Readiness>,
}

/// A transaction that is being written. Having one says: you are inside [`Db::write`]. Cheap to clone.
#[derive(Clone)]
pub struct Tx {
    inner: Arc<Transaction>,
    commit_marker: Arc<Mutex<Option<DomainEventId>>>,
}

impl Tx {
    /// Names a domain event that exists exactly if this transaction committed; the first one counts.
    pub fn commit_marker(&self, domain_event: DomainEventId) {
        let mut commit_marker = self.commit_marker.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        commit_marker.get_or_insert(domain_event);
    }
}

impl Db {
    /// Which of the two databases this is.
    pub fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }

    /// Whether this is SQLite: one process, one writer.
    pub fn is_sqlite(&self) -> bool {
        self.backend() == DbBackend::Sqlite
    }

    /// The pool for reading. No snapshot is held beyond one statement.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// The same database, read over the connections of queries and streams.
    pub fn viewers(&self) -> Self {
        Self { read: self.viewers.clone(), ..self.clone() }
    }

    /// The same database, read over connections of its own: for what must go on however many viewers read, such as
    /// mutations, sign-ins, the relay and jobs.
    pub fn reserved(&self) -> Self {
        Self { read: self.reserved.clone(), ..self.clone() }
    }

    /// Runs `body` in one transaction and commits it, or rolls it back when it returns an error.
    ///
    /// `body` may run several times, so it owns nothing it cannot give away twice; only SQL happens inside.
    pub async fn write<T, E, F, Fut>(&self, priority: Priority, body: F) -> Result<T, E>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: MaybeDb,
    {
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.attempt(priority, &body).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if let Some(error) = error.db() {
                self.readiness.failed(error);
            }
            if tried == TRIES || !error.db().is_some_and(is_lost_race) {
                return Err(error);
            }
            let jitter = Duration::from_micros((self.random.fraction() * 20_000.0) as u64);
            tokio::time::sleep(jitter * tried).await;
        }
    }

    async fn attempt<T, E, F, Fut>(&self, priority: Priority, body: &F) -> Result<T, E>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: MaybeDb,
    {
        let _pass = match &self.write_queue {
            Some(write_queue) => Some(write_queue.enter(priority).await?),
            None => None,
        };
        if self.file.as_ref().is_some_and(|file| !file.is_in_place()) {
            return Err(DbError::FileReplaced.into());
        }
        let begun = Transaction::begin(&self.write).await.map_err(DbError::from)?;
        let tx = Tx { inner: Arc::new(begun), commit_marker: Arc::default() };
        let commit_marker = tx.commit_marker.clone();
        let inner = tx.inner.clone();
        let outcome = body(tx).await;
        // The body is over and so are its clones; one that was kept by a leaked task would make this fail, loudly.
        let transaction = Arc::try_unwrap(inner)
            .map_err(|_| DbError::Failed(DbErr::Custom("a transaction outlived its body".into())))?;
        let value = match outcome {
            Ok(value) => value,
            Err(error) => {
                // One that cannot even roll back closes its connection; the body's error says more.
                let _ = transaction.rollback().await;
                return Err(error);
            }
        };
        match transaction.commit().await {
            Ok(()) => {
                if commit_marker.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_some() {
                    self.tell_appended();
                }
                Ok(value)
            }
            Err(error) if is_disconnected(&error) => {
                let commit_marker = *commit_marker.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                match commit_marker {
                    Some(domain_event) if self.happened(domain_event).await? => {
                        self.tell_appended();
                        Ok(value)
                    }
                    _ => Err(DbError::Failed(error).into()),
                }
            }
            Err(error) => Err(DbError::Failed(error).into()),
        }
    }

    /// Is signalled after each commit of this process that appended domain events. It may be missed; whoever waits also looks.
    pub fn appended(&self) -> &Notify {
        &self.appended
    }

    fn tell_appended(&self) {
        self.readiness.written();
        self.appended.notify_one();
    }

    /// After a connection died during COMMIT: did the transaction that appended `domain_event` commit?
    async fn happened(&self, domain_event: DomainEventId) -> Result<bool, DbError> {
        let asking = async {
            loop {
                match self.is_taken(domain_event).await {
                    Ok(taken) => return taken,
                    // Other connections may have died with that one, and the dying transaction may hold its locks for long.
                    Err(error) => {
                        tracing::warn!(domain_event = %domain_event, %error, "cannot ask yet whether a commit happened")
                    }
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let committed = tokio::time::timeout(self.ask_for, asking).await.map_err(|_| DbError::Unclear)?;
        tracing::warn!(domain_event = %domain_event, committed, "connection lost during commit; asked again");
        Ok(committed)
    }

    /// Inserting the same unique id on a new connection waits until the dying transaction is decided, whatever rows it
    /// had locked: then either the id is there (it committed) or our row goes in (it did not) and is rolled back.
    async fn is_taken(&self, domain_event: DomainEventId) -> Result<bool, DbError> {
        let probe = Transaction::begin(&self.write).await?;
        let sql = "INSERT INTO domain_event (id, kind, v, occurred_at, data) VALUES ($1, 'probe', 0, 0, '{}') ON CONFLICT (id) DO NOTHING";
        let inserted = run(&probe, sql, [domain_event.into()]).await?;
        probe.rollback().await?;
        Ok(inserted == 0)
    }
}

/// Runs a statement and says how many rows it changed. Placeholders are `$1`, `$2`, … on both databases.
pub async fn run<const N: usize>(c: &impl ConnectionTrait, sql: &str, binds: [Value; N]) -> Result<u64, DbError> {
    let statement = Statement::from_sql_and_values(c.get_database_backend(), sql, binds);
    Ok(c.execute_raw(statement).await?.rows_affected())
}

/// All rows of a query.
pub async fn all<T: FromQueryResult, const N: usize>(
    c: &impl ConnectionTrait,
    sql: &str,
    binds: [Value; N],
) -> Result<Vec<T>, DbError> {
    let statement = Statement::from_sql_and_values(c.get_database_backend(), sql, binds);
    let rows = c.query_all_raw(statement).await?;
    Ok(rows.iter().map(|row| T::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// The first row of a query, if there is one.
pub async fn one<T: FromQueryResult, const N: usize>(
    c: &impl ConnectionTrait,
    sql: &str,
    binds: [Value; N],
) -> Result<Option<T>, DbError> {
    let statement = Statement::from_sql_and_values(c.get_database_backend(), sql, binds);
    let row = c.query_one_raw(statement).await?;
    Ok(row.map(|row| T::from_query_result(&row, "")).transpose()?)
}

/// A single number, such as a count or a sum.
pub async fn number<const N: usize>(c: &impl ConnectionTrait, sql: &str, binds: [Value; N]) -> Result<i64, DbError> {
    #[derive(FromQueryResult)]
    struct Number {
        n: Option<i64>,
    }
    Ok(one::<Number, N>(c, sql, binds).await?.and_then(|row| row.n).unwrap_or(0))
}

/// The clause that locks the rows a `SELECT` returns: SQLite's write transaction already excludes everybody.
pub fn for_update(c: &impl ConnectionTrait) -> &'static str {
    match c.get_database_backend() {
        DbBackend::Sqlite => "",
        _ => " FOR NO KEY UPDATE",
    }
}

/// The clause that locks what nobody else has locked and passes over the rest.
pub fn skip_locked(c: &impl ConnectionTrait) -> &'static str {
    match c.get_database_backend() {
        DbBackend::Sqlite => "",
        _ => " FOR NO KEY UPDATE SKIP LOCKED",
    }
}

/// Repeats a step, a transaction of its own, while it finds as many rows as it takes at once. Says how many in all.
pub async fn in_chunks<F, Fut>(size: u64, step: F) -> Result<u64, DbError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<u64, DbError>>,
{
    let mut all = 0;
    loop {
        let rows = step().await?;
        all += rows;
        if rows < size {
            return Ok(all);
        }
    }
}

/// Wakes other processes on PostgreSQL at commit. Only the relay's and worker's flushes call this: a NOTIFY in every
/// transaction takes a database-wide lock at commit.
pub async fn notify(tx: &Tx, channel: &str, payload: &str) -> Result<(), DbError> {
    if tx.get_database_backend() == DbBackend::Postgres {
        run(tx, "SELECT pg_notify($1, $2)", [channel.into(), payload.into()]).await?;
    }
    Ok(())
}

#[sea_orm::prelude::async_trait::async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(stmt).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(stmt).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(stmt).await
    }
}
