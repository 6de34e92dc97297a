//! Numbers of connections and time limits of a database, and the connection options made from them.
//! Not here: the flags (`cli::database`).

use std::time::Duration;

use sea_orm::ConnectOptions;

use super::Target;

/// Idle time after which a connection is tested before use. Short, because each connection that a restarted server left
/// dead would otherwise cost a request. Where connections are idle, the test costs nothing.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);

/// Settings of a database. The default of an unset number depends on the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Connections that queries and streams read over; 16 on PostgreSQL, 4 on SQLite.
    pub read_connections: Option<u32>,
    /// Connections for the reads of mutations, sign-ins, relay and jobs; 8 on PostgreSQL, 4 on SQLite.
    pub reserved_connections: Option<u32>,
    /// Connections for writing on PostgreSQL; SQLite has one.
    pub write_connections: u32,
    /// Longest wait for a connection; 5 s on PostgreSQL, 10 s on SQLite.
    pub acquire: Option<Duration>,
    /// Longest wait for a row that another transaction has locked (PostgreSQL).
    pub lock: Duration,
    /// Longest run time of a statement (PostgreSQL).
    pub statement: Duration,
    /// Longest idle time of a transaction after its client is gone (PostgreSQL).
    pub idle_in_transaction: Duration,
    /// Longest wait for the file while another program writes to it (SQLite).
    pub busy: Duration,
    /// Longest wait of a writer in the queue (SQLite).
    pub queue: Duration,
    /// Longest time for which the outcome of a commit that lost its connection is checked. Longer than
    /// `idle_in_transaction`, so that the outcome is settled as soon as the server answers.
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

/// Purpose of a pool of connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    Write,
    Read,
    Reserved,
}

impl Settings {
    /// Returns the options of one of the pools.
    pub(super) fn options(&self, target: &Target, pool: Pool) -> ConnectOptions {
        match target {
            Target::Sqlite(path) => self.sqlite(path, pool),
            Target::Postgres(url) => self.postgres(url, pool),
        }
    }

    fn sqlite(&self, path: &std::path::Path, pool: Pool) -> ConnectOptions {
        let mut options = ConnectOptions::new("sqlite://data"); // the path is set below, where it needs no escaping
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
                    // Every statement has its index (`tests/it/plans.rs`), and statistics lag behind a sale. A plan
                    // that scans a whole table, made while it was small, would be kept while it grows. JIT has to be
                    // off with it: a scan of a table with a single row then looks expensive enough to be compiled.
                    ("enable_seqscan", "off"),
                    ("jit", "off"),
                ])
            });
        options
    }

    /// Returns the time limits of a session on PostgreSQL, in milliseconds.
    pub(super) fn session(&self) -> [(&'static str, String); 3] {
        let millis = |time: Duration| time.as_millis().to_string();
        [
            ("lock_timeout", millis(self.lock)),
            ("statement_timeout", millis(self.statement)),
            ("idle_in_transaction_session_timeout", millis(self.idle_in_transaction)),
        ]
    }
}
