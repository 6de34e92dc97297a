//! Transaction that owns its connection, and closes the connection unless it ends properly.
//! Not here: the start of a transaction (`Db::write`).
//!
//! A pool would take such a connection back. After `SQLITE_FULL`, `IOERR` or `NOMEM` SQLite has rolled back by itself,
//! so ROLLBACK fails and the driver keeps counting a transaction that no longer exists. All later transactions on the
//! connection become savepoints that are never committed. <https://sqlite.org/lang_transaction.html>

use std::time::Instant;

use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, Postgres, Sqlite};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement,
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

use super::connect::trace;

/// Open transaction. Dropped without [`commit`](Self::commit) or [`rollback`](Self::rollback) it closes its connection.
pub(super) struct Transaction {
    backend: DbBackend,
    state: Mutex<State>,
}

struct State {
    connection: Option<Connection>,
    /// True after a statement failed or was cancelled. The transaction is not committed then, and no statement follows:
    /// SQLite may have rolled back already, and the next statement would be a transaction of its own.
    failed: bool,
}

enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// Evaluates an expression for a connection of either database, with its type as `$Db`.
macro_rules! with {
    ($connection:expr, |$raw:ident: $Db:ident| $body:expr) => {
        match $connection {
            Connection::Sqlite($raw) => {
                #[allow(dead_code)]
                type $Db = Sqlite;
                $body
            }
            Connection::Postgres($raw) => {
                #[allow(dead_code)]
                type $Db = Postgres;
                $body
            }
        }
    };
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            with!(connection, |raw: Db| raw.close_on_drop());
        }
    }
}

impl Transaction {
    /// Begins a transaction on a connection of the pool.
    pub(super) async fn begin(pool: &DatabaseConnection) -> Result<Self, DbErr> {
        let backend = pool.get_database_backend();
        let connection = match backend {
            DbBackend::Sqlite => {
                Connection::Sqlite(pool.get_sqlite_connection_pool().acquire().await.map_err(not_acquired)?)
            }
            _ => Connection::Postgres(pool.get_postgres_connection_pool().acquire().await.map_err(not_acquired)?),
        };
        let mut state = State { connection: Some(connection), failed: false };
        let begin = match backend {
            DbBackend::Sqlite => "BEGIN IMMEDIATE",
            _ => "BEGIN",
        };
        state.run(begin).await?;
        Ok(Self { backend, state: Mutex::new(state) })
    }

    /// Commits. After an error the connection is closed, but the commit may have happened: see
    /// [`is_disconnected`](super::error::is_disconnected).
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let mut state = self.state.into_inner();
        if state.failed {
            // PostgreSQL would answer COMMIT with ROLLBACK, which the driver takes for a success.
            return Err(DbErr::Custom("cannot commit: a statement of this transaction failed".into()));
        }
        state.run("COMMIT").await?;
        state.connection = None;
        Ok(())
    }

    /// Rolls the transaction back.
    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        let mut state = self.state.into_inner();
        state.run("ROLLBACK").await?;
        state.connection = None;
        Ok(())
    }
}

impl State {
    fn connection(&mut self) -> Result<&mut Connection, DbErr> {
        self.connection.as_mut().ok_or_else(|| DbErr::Custom("the transaction has ended".into()))
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), DbErr> {
        with!(self.connection()?, |raw: Db| (&mut **raw).execute(sql).await.map(drop)).map_err(failed)
    }

    /// Returns the connection for one more statement. [`done`](Self::done) reports its success.
    fn next(&mut self) -> Result<&mut Connection, DbErr> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(DbErr::Custom("an earlier statement of this transaction failed".into()));
        }
        self.connection()
    }

    fn done<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, DbErr> {
        self.failed = result.is_err();
        result.map_err(failed)
    }
}

/// Runs a statement with its values through the given fetch method of the driver.
macro_rules! fetch {
    ($self:ident, $stmt:ident, $how:ident, |$found:ident| $answer:expr) => {{
        let mut state = $self.state.lock().await;
        let began = Instant::now();
        let values = SqlxValues($stmt.values.unwrap_or(Values(Vec::new())));
        let result = with!(state.next()?, |raw: Db| {
            let query = sqlx::query_with::<Db, _>(AssertSqlSafe($stmt.sql.as_str()), values);
            query.$how(&mut **raw).await.map(|$found| $answer)
        });
        trace(&$stmt.sql, began.elapsed());
        state.done(result)
    }};
}

#[sea_orm::prelude::async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        fetch!(self, stmt, execute, |result| ExecResult::from(result))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut state = self.state.lock().await;
        let result = with!(state.next()?, |raw: Db| {
            (&mut **raw).execute(AssertSqlSafe(sql.to_owned())).await.map(ExecResult::from)
        });
        state.done(result)
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        fetch!(self, stmt, fetch_optional, |row| row.map(QueryResult::from))
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        fetch!(self, stmt, fetch_all, |rows| rows.into_iter().map(QueryResult::from).collect())
    }
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// Maps a failed acquire to the error that sea-orm itself would return.
fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}
