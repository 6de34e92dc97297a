//! Numbers of connections and time limits of a database, and the options they become.
//! Not here: the flags (`cli::database`).

use std::time::Duration;

use sea_orm::ConnectOptions;

use super::Target;

/// How long a connection may have been idle before it is asked whether it still lives. Short, because each connection
/// that a restarted server left dead costs a request otherwise; and where connections are idle, asking costs nothing.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);

/// What can be set of a database. Numbers that are not set depend on which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Connections that queries and streams read over; 16 on PostgreSQL, 4 on SQLite.
    pub read_connections: Option<u32>,
    /// Connections for the reads of mutations, sign-ins, relay and jobs; 8 on PostgreSQL, 4 on SQLite.
    pub reserved_connections: Option<u32>,
    /// Connections for writing on PostgreSQL; SQLite has one.
    pub write_connections: u32,
    /// How long a connection is waited for; 5 s on PostgreSQL, 10 s on SQLite.
    pub acquire: Option<Duration>,
    /// How long a row is waited for that another transaction has locked (PostgreSQL).
    pub lock: Duration,
    /// How long a statement may take (PostgreSQL).
    pub statement: Duration,
    /// How long a transaction may be idle whose client is gone (PostgreSQL).
    pub idle_in_transaction: Duration,
    /// How long the file is waited for when another program writes into it (SQLite).
    pub busy: Duration,
    /// How long a writer waits in the queue (SQLite).
    pub queue: Duration,
    /// How long a commit that lost its connection is asked after: longer than the server lets a transaction idle whose
    /// client is gone, so that there is an answer as soon as there is a server.
    pub commit_answer: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            read_connections: None,
            reserved_connections: None,
            write_connections: 16,
            acquire: None,
            lock: seconds(3),
            statement: seconds(10),
            idle_in_transaction: seconds(10),
            busy: seconds(5),
            queue: seconds(10),
            commit_answer: seconds(15),
        }
    }
}

/// What connections are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    Write,
    Read,
    Reserved,
}

impl Settings {
    /// What opens one of the pools.
    pub(super) fn options(&self, target: &Target, pool: Pool) -> ConnectOptions {
        match target {
            Target::Sqlite(path) => self.sqlite(path, pool),
            Target::Postgres(url) => self.postgres(url, pool),
        }
    }

    fn sqlite(&self, path: &std::path::Path, pool: Pool) -> ConnectOptions {
        let mut options = ConnectOptions::new("sqlite://data"); // the path is given below, where no character needs escaping
        let (path, busy) = (path.to_owned(), self.busy);
        let connections = match pool {
            Pool::Write => 1,
            Pool::Read => self.read_connections.unwrap_or(4),
            Pool::Reserved => self.reserved_connections.unwrap_or(4),
        };
        options
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(self.acquire.unwrap_or(Duration::from_secs(10)))
            .idle_timeout(None::<Duration>)
            .max_lifetime(None::<Duration>)
            .test_before_acquire(false)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(move |sqlite| {
                use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
                sqlite
                    .filename(&path)
                    .create_if_missing(false)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full) // NORMAL may lose the last commits when the power fails
                    .foreign_keys(true)
                    .busy_timeout(busy)
                    .statement_cache_capacity(256)
                    .pragma("temp_store", "memory")
                    .pragma("cache_size", "-16000")
                    .pragma("query_only", if pool == Pool::Write { "0" } else { "1" })
            });
        options
    }

    fn postgres(&self, url: &str, pool: Pool) -> ConnectOptions {
        let mut options = ConnectOptions::new(url);
        let times = self.session();
        let connections = match pool {
            Pool::Write => self.write_connections,
            Pool::Read => self.read_connections.unwrap_or(16),
            Pool::Reserved => self.reserved_connections.unwrap_or(8),
        };
        options
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(self.acquire.unwrap_or(Duration::from_secs(5)))
            .test_before_acquire_if_idle_for(IDLE_BEFORE_TEST)
            .sqlx_logging(false)
            .map_sqlx_postgres_opts(move |postgres| {
                postgres.application_name("boxoffice").statement_cache_capacity(256).options(times.clone()).options([
                    ("synchronous_commit", "on"),
                    ("default_transaction_isolation", "read committed"),
                    // Every statement has its index (`tests/it/plans.rs`), and statistics lag behind a sale: a plan to read a
                    // table whole, made when it was small, would be kept while it grows. The next two belong together, for
                    // where there is only one row to read, it then looks too dear not to be compiled.
                    ("enable_seqscan", "off"),
                    ("jit", "off"),
                ])
            });
        options
    }

    /// The time limits of a session on PostgreSQL, in milliseconds.
    pub(super) fn session(&self) -> [(&'static str, String); 3] {
        let millis = |time: Duration| time.as_millis().to_string();
        [
            ("lock_timeout", millis(self.lock)),
            ("statement_timeout", millis(self.statement)),
            ("idle_in_transaction_session_timeout", millis(self.idle_in_transaction)),
        ]
    }
}
