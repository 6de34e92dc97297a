//! Database errors, and what each says about trying again.
//! Not here: what a client is told of them (`graphql::error`).

use sea_orm::sqlx::Error;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// Too many writers wait; try again later. Nothing was changed.
    #[error("too many writers are waiting")]
    Overloaded,
    /// The connection died during COMMIT and nobody could be asked what became of it. It may have happened: whoever
    /// runs the same again without looking may do it twice.
    #[error("the connection was lost during commit, and the database does not say what became of it")]
    Unclear,
    /// The SQLite file is gone from its path or another one is there: what is written now would be lost at the next start.
    #[error("the database file was moved, removed or replaced while it was open")]
    FileReplaced,
    /// Everything else; internal text, never shown to a client.
    #[error(transparent)]
    Failed(#[from] DbErr),
}

/// An error that may hide a database error; how [`Db::write`](super::Db::write) learns that a closure lost a race.
pub trait MaybeDb: From<DbError> {
    /// The database error inside, if there is one.
    fn db(&self) -> Option<&DbError>;
}

impl MaybeDb for DbError {
    fn db(&self) -> Option<&DbError> {
        Some(self)
    }
}

/// Primary result codes of SQLite that say something about the machine or other connections, not about the statement.
/// <https://sqlite.org/rescode.html>
pub(super) mod sqlite {
    pub const BUSY: u32 = 5;
    pub const LOCKED: u32 = 6;
    pub const NOMEM: u32 = 7;
    pub const READONLY: u32 = 8;
    pub const IOERR: u32 = 10;
    pub const CORRUPT: u32 = 11;
    pub const FULL: u32 = 13;
    pub const CANTOPEN: u32 = 14;
    pub const NOTADB: u32 = 26;
}

/// 40001 and 40P01 on PostgreSQL, BUSY and LOCKED on SQLite: another transaction won, running again may succeed.
pub(super) fn is_lost_race(error: &DbError) -> bool {
    match sqlite_code(error) {
        Some(code) => matches!(code, sqlite::BUSY | sqlite::LOCKED),
        None => sqlstate(error).is_some_and(|code| matches!(code.as_str(), "40001" | "40P01")),
    }
}

/// Whether the same statement may succeed later although nothing about it changes: no room, no connection, a lock or
/// time limit, a lost race. What is left says something about the statement or its data.
pub fn is_transient(error: &DbError) -> bool {
    match error {
        DbError::Overloaded
        | DbError::Unclear
        | DbError::FileReplaced
        | DbError::Failed(DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => {
            return true;
        }
        DbError::Failed(_) => {}
    }
    if let Some(code) = sqlite_code(error) {
        use sqlite::{CANTOPEN, FULL, IOERR, NOMEM, READONLY};
        return is_lost_race(error) || matches!(code, FULL | IOERR | NOMEM | READONLY | CANTOPEN);
    }
    let Some(cause) = cause(error) else { return false };
    match cause.as_database_error() {
        Some(answer) => {
            let code = answer.code().unwrap_or_default();
            is_lost_race(error) || ["53", "55P03", "57", "58"].iter().any(|class| code.starts_with(class))
        }
        None => {
            use Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
            matches!(cause, Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed)
        }
    }
}

/// Whether a lock was waited for in vain.
pub fn is_lock_timeout(error: &DbError) -> bool {
    sqlstate(error).is_some_and(|code| code == "55P03")
}

/// Whether a unique index or key refused the statement.
pub fn is_unique_violation(error: &DbError) -> bool {
    sqlstate(error).is_some_and(|code| matches!(code.as_str(), "23505" | "2067" | "1555"))
}

/// Whether an error of COMMIT leaves open if it happened: anything but the database's own answer.
pub(super) fn is_disconnected(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            // 57P01..57P03: the server is shutting down or crashed, and says so instead of answering.
            match error.as_database_error() {
                Some(answer) => answer.code().is_some_and(|code| code.starts_with("57P")),
                None => !matches!(error.as_ref(), Error::PoolTimedOut),
            }
        }
        DbErr::Custom(_) => false, // ours: COMMIT was never sent
        _ => true,
    }
}

/// The driver's error inside.
fn cause(error: &DbError) -> Option<&Error> {
    let DbError::Failed(DbErr::Exec(runtime) | DbErr::Query(runtime) | DbErr::Conn(runtime)) = error else {
        return None;
    };
    match runtime {
        RuntimeErr::SqlxError(error) => Some(error),
        RuntimeErr::Internal(_) => None,
    }
}

/// SQLSTATE on PostgreSQL, the extended result code on SQLite.
pub(super) fn sqlstate(error: &DbError) -> Option<String> {
    cause(error)?.as_database_error()?.code().map(|code| code.into_owned())
}

/// The primary result code of an error of SQLite.
pub(super) fn sqlite_code(error: &DbError) -> Option<u32> {
    let answer = cause(error)?.as_database_error()?;
    answer.try_downcast_ref::<SqliteError>()?;
    answer.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}
