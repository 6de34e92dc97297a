//! Access to the database: `read`, `write`, and statements that both databases understand.
//! Not here: the name of any table, except for the probe of an unclear commit. No other module begins a transaction.
//!
//! * [`Db::write`] runs one closure in one transaction: `BEGIN IMMEDIATE` on SQLite, READ COMMITTED on PostgreSQL.
//!   After a serialization failure or deadlock the whole closure runs again (3 tries, jitter).
//! * On SQLite all writers of the process share one queue ([`write_queue`]): interactive writers first, then the relay,
//!   then workers. No priority starves.
//! * When a connection dies during COMMIT, the transaction's *commit marker* tells whether it committed. The marker is
//!   the first domain event that the transaction appended; its id was made beforehand. No transaction is run again
//!   without this check.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, FromQueryResult, QueryResult, Statement, Value,
};
use tokio::sync::Notify;

use self::error::{is_disconnected, is_lost_race};
use self::transaction::Transaction;
use crate::id::{DomainEventId, RandomSource};
use crate::sync;

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

/// Wait between two checks of a commit that lost its connection.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Number of times a transaction runs that keeps losing races; then the caller gets the error.
const TRIES: u32 = 3;

/// Database handle: pools for reading and writing, and on SQLite the queue of writers.
#[derive(Clone)]
pub struct Db {
    /// The pool this handle reads from: `viewers` or `reserved`.
    read: DatabaseConnection,
    viewers: DatabaseConnection,
    reserved: DatabaseConnection,
    write: DatabaseConnection,
    write_queue: Option<write_queue::WriteQueue>,
    file: Option<Arc<file::DataFile>>,
    /// Value of [`Settings::commit_answer`].
    ask_for: Duration,
    random: RandomSource,
    appended: Arc<Notify>,
    readiness: Arc<ready::Readiness>,
}

/// Open write transaction; it exists only inside [`Db::write`]. Cheap to clone.
#[derive(Clone)]
pub struct Tx {
    inner: Arc<Transaction>,
    commit_marker: Arc<Mutex<Option<DomainEventId>>>,
}

impl Tx {
    /// Names a domain event that exists exactly if this transaction committed. Only the first call counts.
    pub fn commit_marker(&self, domain_event: DomainEventId) {
        let mut commit_marker = sync::lock(&self.commit_marker);
        commit_marker.get_or_insert(domain_event);
    }
}

impl Db {
    /// Returns the kind of database.
    pub fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }

    /// Returns true for SQLite: one process, one writer.
    pub fn is_sqlite(&self) -> bool {
        self.backend() == DbBackend::Sqlite
    }

    /// Returns the pool for reading. No snapshot is held beyond one statement.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// Returns a handle that reads over the connections of queries and streams.
    pub fn viewers(&self) -> Self {
        Self { read: self.viewers.clone(), ..self.clone() }
    }

    /// Returns a handle that reads over reserved connections, for work that must continue however many viewers read:
    /// mutations, sign-ins, the relay and jobs.
    pub fn reserved(&self) -> Self {
        Self { read: self.reserved.clone(), ..self.clone() }
    }

    /// Runs `body` in one transaction and commits it, or rolls it back when it returns an error.
    ///
    /// `body` may run several times, so it must not move values out of its environment. Only SQL runs inside.
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
        // The body has ended and its clones of the transaction are dropped. A clone kept by a leaked task causes an
        // error here.
        let transaction = Arc::try_unwrap(inner)
            .map_err(|_| DbError::Failed(DbErr::Custom("a transaction outlived its body".into())))?;
        let value = match outcome {
            Ok(value) => value,
            Err(error) => {
                // A failed rollback closes the connection. The body's error tells more.
                let _ = transaction.rollback().await;
                return Err(error);
            }
        };
        match transaction.commit().await {
            Ok(()) => {
                if sync::lock(&commit_marker).is_some() {
                    self.tell_appended();
                }
                Ok(value)
            }
            Err(error) if is_disconnected(&error) => {
                let commit_marker = *sync::lock(&commit_marker);
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

    /// Returns the signal given after each commit of this process that appended domain events. A signal may be missed,
    /// so the receiver also polls.
    pub fn appended(&self) -> &Notify {
        &self.appended
    }

    fn tell_appended(&self) {
        self.readiness.written();
        self.appended.notify_one();
    }

    /// Returns true if the transaction that appended `domain_event` committed, after its connection died during COMMIT.
    async fn happened(&self, domain_event: DomainEventId) -> Result<bool, DbError> {
        let asking = async {
            loop {
                match self.is_taken(domain_event).await {
                    Ok(taken) => return taken,
                    // Other connections may have died as well, and the dying transaction may hold its locks for long.
                    Err(error) => {
                        tracing::warn!(domain_event = %domain_event, %error, "cannot check yet whether a commit happened")
                    }
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let committed = tokio::time::timeout(self.ask_for, asking).await.map_err(|_| DbError::Unclear)?;
        tracing::warn!(domain_event = %domain_event, committed, "connection lost during commit; outcome checked");
        Ok(committed)
    }

    /// Checks for the id by inserting it on a new connection. The insert waits until the dying transaction has ended,
    /// whatever rows that had locked. Then either the id exists (it committed) or the probe is inserted (it did not),
    /// and the probe is rolled back.
    async fn is_taken(&self, domain_event: DomainEventId) -> Result<bool, DbError> {
        let probe = Transaction::begin(&self.write).await?;
        let sql = "INSERT INTO domain_event (id, kind, v, occurred_at, data) VALUES ($1, 'probe', 0, 0, '{}') ON CONFLICT (id) DO NOTHING";
        let inserted = run(&probe, sql, [domain_event.into()]).await?;
        probe.rollback().await?;
        Ok(inserted == 0)
    }
}

/// Runs a statement and returns the number of rows changed. Placeholders are `$1`, `$2`, … on both databases.
pub async fn run<const N: usize>(c: &impl ConnectionTrait, sql: &str, binds: [Value; N]) -> Result<u64, DbError> {
    let statement = Statement::from_sql_and_values(c.get_database_backend(), sql, binds);
    Ok(c.execute_raw(statement).await?.rows_affected())
}

/// Returns all rows of a query.
pub async fn all<T: FromQueryResult, const N: usize>(
    c: &impl ConnectionTrait,
    sql: &str,
    binds: [Value; N],
) -> Result<Vec<T>, DbError> {
    let statement = Statement::from_sql_and_values(c.get_database_backend(), sql, binds);
    let rows = c.query_all_raw(statement).await?;
    Ok(rows.iter().map(|row| T::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Returns the first row of a query, if there is one.
pub async fn one<T: FromQueryResult, const N: usize>(
    c: &impl ConnectionTrait,
    sql: &str,
    binds: [Value; N],
) -> Result<Option<T>, DbError> {
    let statement = Statement::from_sql_and_values(c.get_database_backend(), sql, binds);
    let row = c.query_one_raw(statement).await?;
    Ok(row.map(|row| T::from_query_result(&row, "")).transpose()?)
}

/// Returns a single number, such as a count or a sum; 0 for no row or NULL.
pub async fn number<const N: usize>(c: &impl ConnectionTrait, sql: &str, binds: [Value; N]) -> Result<i64, DbError> {
    #[derive(FromQueryResult)]
    struct Number {
        n: Option<i64>,
    }
    Ok(one::<Number, N>(c, sql, binds).await?.and_then(|row| row.n).unwrap_or(0))
}

/// Returns the clause that locks the rows of a `SELECT`. Empty on SQLite, where a write transaction already excludes
/// all other writers.
pub fn for_update(c: &impl ConnectionTrait) -> &'static str {
    match c.get_database_backend() {
        DbBackend::Sqlite => "",
        _ => " FOR NO KEY UPDATE",
    }
}

/// Returns the clause that locks the rows no other transaction has locked, and skips the rest.
pub fn skip_locked(c: &impl ConnectionTrait) -> &'static str {
    match c.get_database_backend() {
        DbBackend::Sqlite => "",
        _ => " FOR NO KEY UPDATE SKIP LOCKED",
    }
}

/// Repeats a step, each in a transaction of its own, until it changes fewer rows than `size`. Returns the total.
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

/// Wakes other processes at commit; PostgreSQL only. Called only when the relay or the worker commits a batch, because
/// a NOTIFY in every transaction takes a database-wide lock at commit.
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
