//! Opening a database: what an address means, the settings of each connection, migration, and who may open what.
//! Not here: what is done with it afterwards.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use migration::Migrator;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{Connection, Error, Executor};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr, FromQueryResult, RuntimeErr};
use sea_orm_migration::MigratorTrait;

use super::{Db, DbError, gate, one, run};
use crate::id::Chance;

/// How long a connection may have been idle before it is asked whether it still lives. Short, because each connection
/// that a restarted server left dead costs a request otherwise; and where connections are idle, asking costs nothing.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);

/// Where the data lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One file; the program is the server.
    Sqlite(PathBuf),
    /// A PostgreSQL server, as a URL.
    Postgres(String),
}

/// Why a database cannot be opened. The text is for the operator's terminal.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `DATABASE_URL` means nothing to us.
    #[error("DATABASE_URL is not understood: {0}")]
    BadUrl(String),
    /// The server or the file does not answer.
    #[error("cannot open the database {target}: {reason}")]
    Unreachable {
        /// Which one, without password.
        target: String,
        /// What the driver says.
        reason: String,
    },
    /// Something else wrote this database.
    #[error("this database was written by a newer boxoffice (it needs release {needs}, this binary is release {has})")]
    TooNew {
        /// What the database asks for.
        needs: i64,
        /// What this binary is.
        has: i64,
    },
    /// PostgreSQL is migrated only when asked to.
    #[error("the database has {0} migrations to apply")]
    NotMigrated(usize),
    /// It is a database, but not ours.
    #[error("this database cannot be used: {0}")]
    Unusable(String),
}

/// Where every statement is told of, at the level TRACE.
pub const STATEMENTS: &str = "boxoffice::statements";

/// Statements that take longer are worth an operator's look.
const SLOW: Duration = Duration::from_secs(1);

impl Target {
    /// Reads `DATABASE_URL`: `sqlite:PATH` or `postgres://user:password@host/name`.
    pub fn parse(url: &str) -> Result<Self, ConnectError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(':') || path.contains('?') {
                return Err(ConnectError::BadUrl(format!("{url:?} names no file")));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return match PgConnectOptions::from_str(url) {
                Ok(_) => Ok(Self::Postgres(url.to_owned())),
                Err(error) => Err(ConnectError::BadUrl(error.to_string())),
            };
        }
        // What stands before a colon only: without one it may be anything, a password included.
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        Err(ConnectError::BadUrl(format!("unknown scheme {scheme:?}")))
    }

    /// The target without its password, for terminals and logs.
    pub fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => {
                let url = url.split_once('?').map_or(url.as_str(), |(url, _)| url); // a password may stand behind it too
                match (url.find("://"), url.rfind('@')) {
                    (Some(scheme), Some(at)) if at > scheme => format!("{}…@{}", &url[..scheme + 3], &url[at + 1..]),
                    _ => url.to_owned(),
                }
            }
        }
    }

    /// Why it cannot be opened. A pool that tried for a while only says that it gave up, so a server is asked once more.
    async fn unreachable(&self, error: DbErr) -> ConnectError {
        match self {
            Self::Sqlite(_) => ConnectError::Unusable(format!("{}: {}", self.shown(), reason(&error))),
            Self::Postgres(url) => {
                let asked = tokio::time::timeout(Duration::from_secs(5), PgConnection::connect(url)).await;
                let reason = match asked {
                    Ok(Err(error)) => error.to_string(),
                    _ => reason(&error),
                };
                ConnectError::Unreachable { target: self.shown(), reason }
            }
        }
    }
}

/// What a database or driver says, without the names of the layers it came through.
fn reason(error: &DbErr) -> String {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            cause.as_database_error().map_or_else(|| cause.to_string(), |answer| answer.message().to_owned())
        }
        error => error.to_string(),
    }
}

impl Db {
    /// Opens the database and brings it to this release: SQLite always, PostgreSQL only with `migrate`.
    pub async fn open(target: &Target, migrate: bool, chance: Chance) -> Result<Self, ConnectError> {
        let db = match target {
            Target::Sqlite(path) => {
                create_private(path).map_err(|error| ConnectError::Unusable(format!("{}: {error}", target.shown())))?;
                let write = connect(target, sqlite_options(path, true)).await?;
                check_and_migrate(&write, true).await?;
                let read = connect(target, sqlite_options(path, false)).await?;
                Db { read, write, gate: Some(gate::Gate::default()), chance, appended: Arc::default() }
            }
            Target::Postgres(url) => {
                let write = connect(target, postgres_options(url, 16)).await?;
                let turn = if migrate { Some(take_turn(target, url).await?) } else { None };
                check_and_migrate(&write, migrate).await?;
                drop(turn);
                let read = connect(target, postgres_options(url, 16)).await?;
                Db { read, write, gate: None, chance, appended: Arc::default() }
            }
        };
        Ok(db)
    }

    /// The PostgreSQL pool below, for LISTEN; none on SQLite.
    pub fn postgres_pool(&self) -> Option<&sea_orm::sqlx::PgPool> {
        (self.backend() == DbBackend::Postgres).then(|| self.read.get_postgres_connection_pool())
    }

    /// Closes both pools; on SQLite this checkpoints the write-ahead log.
    pub async fn close(self) {
        for pool in [self.read, self.write] {
            if let Err(error) = pool.close().await {
                tracing::warn!(%error, "closing the database");
            }
        }
    }
}

/// Makes a missing file readable by its owner only, whatever folder it is in; its write-ahead log follows it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn connect(target: &Target, options: ConnectOptions) -> Result<DatabaseConnection, ConnectError> {
    match Database::connect(options).await {
        Ok(mut pool) => {
            pool.set_metric_callback(watch);
            Ok(pool)
        }
        Err(error) => Err(target.unreachable(error).await),
    }
}

/// Tells of every statement, and aloud of slow ones. Values are bound, so the text holds nobody's data.
fn watch(info: &sea_orm::metric::Info<'_>) {
    let statement = info.statement.sql.as_str();
    tracing::trace!(target: STATEMENTS, statement);
    if info.elapsed > SLOW {
        let millis = info.elapsed.as_millis() as u64;
        tracing::warn!(statement, millis, "a statement was slow");
    }
}

/// Processes that are told to migrate do so one after the other: all but the first then find nothing to do. Whoever
/// drops the connection, or dies, lets the next one in.
async fn take_turn(target: &Target, url: &str) -> Result<PgConnection, ConnectError> {
    let failed = |error: Error| ConnectError::Unreachable { target: target.shown(), reason: error.to_string() };
    let mut turn = PgConnection::connect(url).await.map_err(failed)?;
    turn.execute("BEGIN; SELECT pg_advisory_xact_lock(4805871)").await.map_err(failed)?;
    Ok(turn)
}

fn sqlite_options(path: &Path, writer: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new("sqlite://data"); // the path is given below, where no character needs escaping
    let path = path.to_owned();
    options
        .max_connections(if writer { 1 } else { 4 })
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(10))
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
                .busy_timeout(Duration::from_secs(5))
                .statement_cache_capacity(256)
                .pragma("temp_store", "memory")
                .pragma("cache_size", "-16000")
                .pragma("query_only", if writer { "0" } else { "1" })
        });
    options
}

fn postgres_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire_if_idle_for(IDLE_BEFORE_TEST)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|postgres| {
            postgres.application_name("boxoffice").statement_cache_capacity(256).options([
                ("lock_timeout", "3s"),
                ("statement_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "10s"),
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

#[derive(FromQueryResult)]
struct Meta {
    value: String,
}

/// Refuses databases of a later release before touching them, then applies what is missing.
async fn check_and_migrate(db: &DatabaseConnection, migrate: bool) -> Result<(), ConnectError> {
    let unusable = |error: DbError| match error {
        DbError::Failed(error) => ConnectError::Unusable(reason(&error)),
        error @ (DbError::Overloaded | DbError::Unclear) => ConnectError::Unusable(error.to_string()),
    };
    if table_exists(db, "meta").await.map_err(unusable)? {
        let row: Option<Meta> =
            one(db, "SELECT value FROM meta WHERE name = 'min_compatible'", []).await.map_err(unusable)?;
        let needs = row.and_then(|row| row.value.parse().ok()).unwrap_or(0);
        if needs > migration::RELEASE {
            return Err(ConnectError::TooNew { needs, has: migration::RELEASE });
        }
    }
    // A later, compatible release may have applied steps this binary does not know; the runner would refuse them.
    let known: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let applied = applied_steps(db).await.map_err(unusable)?;
    let pending = known.iter().filter(|name| !applied.contains(name)).count();
    if applied.is_empty() && db.get_database_backend() == DbBackend::Sqlite {
        let sql = "SELECT count(*) AS n FROM sqlite_master
                   WHERE type = 'table' AND name <> 'seaql_migrations' AND name NOT LIKE 'sqlite_%'";
        if super::number(db, sql, []).await.map_err(unusable)? > 0 {
            return Err(ConnectError::Unusable("the file holds tables of something else".into()));
        }
    }
    if pending > 0 {
        if !migrate {
            return Err(ConnectError::NotMigrated(pending));
        }
        Migrator::up(db, None).await.map_err(|error| unusable(error.into()))?;
    }
    // Looked at every time: the process that migrated may have died before it came to this.
    if super::number(db, "SELECT count(*) AS n FROM stream_head", []).await.map_err(unusable)? > 0 {
        return Ok(());
    }
    // A new history gets a name of its own, so that a cursor of another one is recognised.
    let epoch = match db.get_database_backend() {
        DbBackend::Sqlite => "lower(hex(randomblob(6)))",
        _ => "substr(md5(random()::text || clock_timestamp()::text), 1, 12)",
    };
    let sql = format!(
        "INSERT INTO stream_head (one, last, epoch) SELECT 1, 0, {epoch} WHERE NOT EXISTS (SELECT 1 FROM stream_head)"
    );
    run(db, &sql, []).await.map_err(unusable)?;
    Ok(())
}

async fn table_exists(db: &DatabaseConnection, table: &str) -> Result<bool, DbError> {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = $1",
        _ => {
            "SELECT count(*) AS n FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
        }
    };
    Ok(super::number(db, sql, [table.into()]).await? > 0)
}

async fn applied_steps(db: &DatabaseConnection) -> Result<Vec<String>, DbError> {
    #[derive(FromQueryResult)]
    struct Step {
        version: String,
    }
    if !table_exists(db, "seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let steps: Vec<Step> = super::all(db, "SELECT version FROM seaql_migrations", []).await?;
    Ok(steps.into_iter().map(|step| step.version).collect())
}
