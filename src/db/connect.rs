//! Opening a database: the meaning of its address, the settings of its connections, migration, and who may open the
//! file.
//! Not here: reading and writing (`db`).

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use migration::Migrator;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{Connection, Error, Executor};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr, FromQueryResult, RuntimeErr};
use sea_orm_migration::MigratorTrait;

use super::error::{sqlite, sqlite_code, sqlstate};
use super::file::DataFile;
use super::migrated::{applied_steps, table_exists};
use super::settings::Pool;
use super::{Db, DbError, Settings, one, pooler, run, write_queue};
use crate::id::RandomSource;

/// Address of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Path of a SQLite file; this process is the only server of it.
    Sqlite(PathBuf),
    /// URL of a PostgreSQL server.
    Postgres(String),
}

/// Reason why a database cannot be opened. The text is shown on the operator's terminal.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `DATABASE_URL` cannot be parsed.
    #[error("DATABASE_URL is not understood: {0}")]
    BadUrl(String),
    /// The server or the file does not answer.
    #[error("cannot open the database {target}: {reason}")]
    Unreachable {
        /// Address of the database, without its password.
        target: String,
        /// Message of the driver.
        reason: String,
        /// Cause, for the advice to the operator.
        trouble: Trouble,
    },
    /// A pooler in front of the server does not keep a server connection for each client.
    #[error("cannot use the database {target} through a pooler: {reason}")]
    Pooled {
        /// Address of the database, without its password.
        target: String,
        /// Observation that revealed the pooler.
        reason: String,
    },
    /// The database needs a later release than this one.
    #[error("this database was written by a newer boxoffice (it needs release {needs}, this binary is release {has})")]
    TooNew {
        /// Oldest release that can use the database.
        needs: i64,
        /// Release of this binary.
        has: i64,
    },
    /// Migrations are pending. PostgreSQL is migrated only on request.
    #[error("the database has {0} migrations to apply")]
    NotMigrated(usize),
    /// The database was found, and cannot be used as it is.
    #[error("this database cannot be used: {reason}")]
    Unusable {
        /// Message of the file system or the database.
        reason: String,
        /// Cause, for the advice to the operator.
        trouble: Trouble,
    },
}

/// Cause of a failure to open a database: what the operator has to fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The folder of the file does not exist.
    NoFolder,
    /// The operating system user lacks rights on the file or its folder, or the database user lacks rights in the
    /// database.
    NoRights,
    /// The disk is full.
    NoRoom,
    /// Another program has locked the database.
    InUse,
    /// The file is not a SQLite database, or it is damaged.
    Damaged,
    /// The database belongs to another program.
    Foreign,
    /// No server answers at the address.
    NoServer,
    /// The server does not know the user, or the password is wrong.
    SignIn,
    /// The server has no database of that name.
    NoDatabase,
    /// Any other cause.
    Other,
}

/// Log target of every SQL statement, at the level TRACE.
pub const STATEMENTS: &str = "boxoffice::statements";

/// Duration above which a statement is logged as slow.
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
        // Only the part before a colon is shown. Without a colon the text may be anything, a password included.
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        Err(ConnectError::BadUrl(format!("unknown scheme {scheme:?}")))
    }

    /// Returns the target without its password, for terminals and logs.
    pub fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => {
                let url = url.split_once('?').map_or(url.as_str(), |(url, _)| url); // the query may hold a password too
                match (url.find("://"), url.rfind('@')) {
                    (Some(scheme), Some(at)) if at > scheme => format!("{}…@{}", &url[..scheme + 3], &url[at + 1..]),
                    _ => url.to_owned(),
                }
            }
        }
    }

    /// Finds out why the database cannot be opened. A pool only reports that it timed out, so a single connection to
    /// the server is tried once more.
    async fn unreachable(&self, error: DbErr) -> ConnectError {
        match self {
            Self::Sqlite(_) => self.unusable(error.into()),
            Self::Postgres(url) => {
                let asked = tokio::time::timeout(Duration::from_secs(5), PgConnection::connect(url)).await;
                match asked {
                    Ok(Err(again)) => self.unreachable_because(&again),
                    _ => match cause(&error) {
                        Some(cause) => self.unreachable_because(cause),
                        None => self.unusable(error.into()),
                    },
                }
            }
        }
    }

    /// Derives the cause from the driver's error of a single connection.
    pub(super) fn unreachable_because(&self, error: &Error) -> ConnectError {
        let (target, reason) = (self.shown(), error.to_string());
        if reason.contains("startup parameter") {
            return ConnectError::Pooled { target, reason };
        }
        let code = error.as_database_error().and_then(|answer| answer.code());
        let trouble = match code.as_deref() {
            Some("28P01" | "28000") => Trouble::SignIn,
            Some("3D000") => Trouble::NoDatabase,
            Some("42501") => Trouble::NoRights,
            Some(_) => Trouble::Other,
            None => Trouble::NoServer,
        };
        ConnectError::Unreachable { target, reason, trouble }
    }

    fn is_folder(&self) -> bool {
        matches!(self, Self::Sqlite(path) if path.is_dir())
    }

    /// Derives the cause from an error of a database that was found.
    fn unusable(&self, error: DbError) -> ConnectError {
        use sqlite::{BUSY, CANTOPEN, CORRUPT, FULL, LOCKED, NOTADB, READONLY};
        let trouble = match (sqlite_code(&error), sqlstate(&error).as_deref()) {
            (Some(CORRUPT | NOTADB), _) => Trouble::Damaged,
            (Some(FULL), _) | (None, Some("53100")) => Trouble::NoRoom,
            (Some(CANTOPEN), _) if self.is_folder() => Trouble::Foreign,
            (Some(READONLY | CANTOPEN), _) | (None, Some("42501" | "25006")) => Trouble::NoRights,
            (Some(BUSY | LOCKED), _) | (None, Some("55P03")) => Trouble::InUse,
            _ => Trouble::Other,
        };
        let reason = match &error {
            DbError::Failed(error) => reason(error),
            error => error.to_string(),
        };
        let reason = match self {
            Self::Sqlite(_) => format!("{}: {reason}", self.shown()),
            Self::Postgres(_) => reason,
        };
        ConnectError::Unusable { reason, trouble }
    }
}

/// Derives the cause from an error of creating the file.
fn not_made(path: &Path, error: &std::io::Error) -> ConnectError {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let trouble = match error.kind() {
        NotFound | NotADirectory => Trouble::NoFolder,
        PermissionDenied | ReadOnlyFilesystem => Trouble::NoRights,
        StorageFull => Trouble::NoRoom,
        _ => Trouble::Other,
    };
    ConnectError::Unusable { reason: format!("{}: {error}", path.display()), trouble }
}

fn cause(error: &DbErr) -> Option<&Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}

/// Returns the message of the database or the driver, without the names of the layers that passed it on.
fn reason(error: &DbErr) -> String {
    match cause(error) {
        Some(cause) => {
            cause.as_database_error().map_or_else(|| cause.to_string(), |answer| answer.message().to_owned())
        }
        None => error.to_string(),
    }
}

impl Db {
    /// Opens the database and migrates it to this release: SQLite always, PostgreSQL only with `migrate`.
    pub async fn open(target: &Target, migrate: bool, random: RandomSource) -> Result<Self, ConnectError> {
        Self::open_with(target, migrate, random, &Settings::default()).await
    }

    /// Opens the database like [`open`](Self::open), with other time limits and numbers of connections than the
    /// defaults.
    pub async fn open_with(
        target: &Target,
        migrate: bool,
        random: RandomSource,
        settings: &Settings,
    ) -> Result<Self, ConnectError> {
        if let Target::Sqlite(path) = target {
            create_private(path).map_err(|error| not_made(path, &error))?;
        }
        let write = connect(target, settings.options(target, Pool::Write)).await?;
        match target {
            Target::Sqlite(_) => check_and_migrate(target, &write, true).await?,
            Target::Postgres(url) => {
                pooler::refuse(target, url, settings).await?;
                let turn = if migrate { Some(take_turn(target, url).await?) } else { None };
                check_and_migrate(target, &write, migrate).await?;
                drop(turn);
            }
        }
        let file = match target {
            Target::Sqlite(path) => Some(Arc::new(DataFile::opened(path))),
            Target::Postgres(_) => None,
        };
        let viewers = connect(target, settings.options(target, Pool::Read)).await?;
        Ok(Db {
            read: viewers.clone(),
            viewers,
            reserved: connect(target, settings.options(target, Pool::Reserved)).await?,
            write,
            write_queue: file.is_some().then(|| write_queue::WriteQueue::new(settings.queue)),
            file,
            ask_for: settings.commit_answer,
            random,
            appended: Arc::default(),
            readiness: Arc::default(),
        })
    }

    /// Returns the PostgreSQL pool, for LISTEN; `None` on SQLite.
    pub fn postgres_pool(&self) -> Option<&sea_orm::sqlx::PgPool> {
        (self.backend() == DbBackend::Postgres).then(|| self.read.get_postgres_connection_pool())
    }

    /// Closes all pools. On SQLite this checkpoints the write-ahead log.
    pub async fn close(self) {
        for pool in [self.viewers, self.reserved, self.write] {
            if let Err(error) = pool.close().await {
                tracing::warn!(%error, "cannot close a pool of the database");
            }
        }
    }
}

/// Creates a missing file that only its owner can read, whatever the folder allows. The write-ahead log gets the same
/// mode.
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

fn watch(info: &sea_orm::metric::Info<'_>) {
    trace(&info.statement.sql, info.elapsed);
}

/// Logs every statement at TRACE, and slow ones as warnings. Values are bound, so the text holds no personal data.
pub(super) fn trace(statement: &str, elapsed: Duration) {
    tracing::trace!(target: STATEMENTS, statement);
    if elapsed > SLOW {
        let millis = elapsed.as_millis() as u64;
        tracing::warn!(statement, millis, "slow statement");
    }
}

/// Takes the lock of migrations, so that processes migrate one after the other and all but the first find nothing to
/// do. The lock ends with the connection, also when the process dies.
async fn take_turn(target: &Target, url: &str) -> Result<PgConnection, ConnectError> {
    let failed = |error: Error| target.unreachable_because(&error);
    let mut turn = PgConnection::connect(url).await.map_err(failed)?;
    turn.execute("BEGIN; SELECT pg_advisory_xact_lock(4805871)").await.map_err(failed)?;
    Ok(turn)
}

#[derive(FromQueryResult)]
struct Meta {
    value: String,
}

/// Refuses a database of a later release before any change, then applies the pending migrations.
async fn check_and_migrate(target: &Target, db: &DatabaseConnection, migrate: bool) -> Result<(), ConnectError> {
    let unusable = |error: DbError| target.unusable(error);
    if table_exists(db, "meta").await.map_err(unusable)? {
        let row: Option<Meta> =
            one(db, "SELECT value FROM meta WHERE name = 'min_compatible'", []).await.map_err(unusable)?;
        let needs = row.and_then(|row| row.value.parse().ok()).unwrap_or(0);
        if needs > migration::RELEASE {
            return Err(ConnectError::TooNew { needs, has: migration::RELEASE });
        }
    }
    // A later, compatible release may have applied steps that this binary does not know. The runner would refuse them.
    let known: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let applied = applied_steps(db).await.map_err(unusable)?;
    let pending = known.iter().filter(|name| !applied.contains(name)).count();
    if applied.is_empty() && db.get_database_backend() == DbBackend::Sqlite {
        let sql = "SELECT count(*) AS n FROM sqlite_master
                   WHERE type = 'table' AND name <> 'seaql_migrations' AND name NOT LIKE 'sqlite_%'";
        if super::number(db, sql, []).await.map_err(unusable)? > 0 {
            let reason = format!("{}: the file holds tables of another program", target.shown());
            return Err(ConnectError::Unusable { reason, trouble: Trouble::Foreign });
        }
    }
    if pending > 0 {
        if !migrate {
            return Err(ConnectError::NotMigrated(pending));
        }
        Migrator::up(db, None).await.map_err(|error| unusable(error.into()))?;
    }
    // Checked at every start, because the process that migrated may have died before this step.
    if super::number(db, "SELECT count(*) AS n FROM stream_head", []).await.map_err(unusable)? > 0 {
        return Ok(());
    }
    // A new history gets an epoch of its own, so that a cursor of another history is recognised.
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
