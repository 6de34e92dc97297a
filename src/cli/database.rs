//! Connections and time limits of the database as settings.
//! Not here: keeping them (`db`).

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;

use crate::db::Settings;

fn usual() -> Settings {
    Settings::default()
}

fn positive(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)
}

fn seconds(time: Duration) -> NonZeroU32 {
    positive(u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
}

/// Flags of the database. Their defaults are those of `db`.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// Connections that queries and streams read over; default: 16 on PostgreSQL, 4 on SQLite
    #[arg(long, value_name = "N", env = "BOXOFFICE_DB_READ_CONNECTIONS")]
    db_read_connections: Option<NonZeroU32>,
    /// Connections that mutations, sign-ins and the service itself read over; default: 8 on PostgreSQL, 4 on SQLite
    #[arg(long, value_name = "N", env = "BOXOFFICE_DB_RESERVED_CONNECTIONS", value_parser = clap::value_parser!(u32).range(2..))]
    db_reserved_connections: Option<u32>,
    /// Connections for writing on PostgreSQL; SQLite has one
    #[arg(long, value_name = "N", env = "BOXOFFICE_DB_WRITE_CONNECTIONS", default_value_t = positive(usual().write_connections))]
    db_write_connections: NonZeroU32,
    /// Seconds an operation waits for a connection; default: 5 on PostgreSQL, 10 on SQLite
    #[arg(long, value_name = "S", env = "BOXOFFICE_DB_ACQUIRE_SECONDS")]
    db_acquire_seconds: Option<NonZeroU32>,
    /// Seconds a statement waits for a row that another transaction has locked (PostgreSQL)
    #[arg(long, value_name = "S", env = "BOXOFFICE_DB_LOCK_SECONDS", default_value_t = seconds(usual().lock))]
    db_lock_seconds: NonZeroU32,
    /// Seconds a statement may take (PostgreSQL)
    #[arg(long, value_name = "S", env = "BOXOFFICE_DB_STATEMENT_SECONDS", default_value_t = seconds(usual().statement))]
    db_statement_seconds: NonZeroU32,
    /// Seconds a transaction may be idle (PostgreSQL): the time until the locks of a vanished process are free
    #[arg(long, value_name = "S", env = "BOXOFFICE_DB_IDLE_SECONDS", default_value_t = seconds(usual().idle_in_transaction))]
    db_idle_seconds: NonZeroU32,
    /// Seconds a statement waits for the file while another program writes into it (SQLite)
    #[arg(long, value_name = "S", env = "BOXOFFICE_DB_BUSY_SECONDS", default_value_t = seconds(usual().busy))]
    db_busy_seconds: NonZeroU32,
    /// Seconds a write waits in the write queue (SQLite)
    #[arg(long, value_name = "S", env = "BOXOFFICE_DB_QUEUE_SECONDS", default_value_t = seconds(usual().queue))]
    db_queue_seconds: NonZeroU32,
    /// Seconds the outcome of a commit is looked for after it lost its connection; above --db-idle-seconds
    #[arg(long, value_name = "S", env = "BOXOFFICE_DB_COMMIT_ANSWER_SECONDS", default_value_t = seconds(usual().commit_answer))]
    db_commit_answer_seconds: NonZeroU32,
}

impl DatabaseArgs {
    /// Returns the settings that these flags name.
    pub fn settings(&self) -> Settings {
        let seconds = |n: NonZeroU32| Duration::from_secs(n.get().into());
        Settings {
            read_connections: self.db_read_connections.map(NonZeroU32::get),
            reserved_connections: self.db_reserved_connections,
            write_connections: self.db_write_connections.get(),
            acquire: self.db_acquire_seconds.map(seconds),
            lock: seconds(self.db_lock_seconds),
            statement: seconds(self.db_statement_seconds),
            idle_in_transaction: seconds(self.db_idle_seconds),
            busy: seconds(self.db_busy_seconds),
            queue: seconds(self.db_queue_seconds),
            commit_answer: seconds(self.db_commit_answer_seconds),
        }
    }
}
