//! Database errors, and whether a statement may be tried again after each.
//! Not here: the errors that a client is sent (`graphql::error`).

use sea_orm::sqlx::Error;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};

/// Reason why the database did not execute a request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// Too many writers are waiting. Nothing was changed; try again later.
    #[error("too many writers are waiting")]
    Overloaded,
    /// The connection was lost during COMMIT, and no answer about its outcome came in time. The transaction may have
    /// committed: running it again without a check may apply it twice.
    #[error("the connection was lost during commit, and the database could not be asked whether it happened")]
    Unclear,
    /// The SQLite file is gone from its path, or the path leads to another file. Data written now would be lost at the
    /// next start.
    #[error("the database file was moved, removed or replaced while it was open")]
    FileReplaced,
    /// Any other error. Its text is internal and never shown to a client.
    #[error(transparent)]
    Failed(#[from] DbErr),
}

/// Error type that may wrap a database error. [`Db::write`](super::Db::write) uses it to detect that a closure lost a
/// race.
pub trait MaybeDb: From<DbError> {
    /// Returns the database error inside, if there is one.
    fn db(&self) -> Option<&DbError>;
}

impl MaybeDb for DbError {
    fn db(&self) -> Option<&DbError> {
        Some(self)
    }
}

/// Primary result codes of SQLite that tell about the machine or other connections, not about the statement.
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

/// Returns true if another transaction won and a new run may succeed: 40001 and 40P01 on PostgreSQL, BUSY and LOCKED on
/// SQLite.
pub(super) fn is_lost_race(error: &DbError) -> bool {
    match sqlite_code(error) {
        Some(code) => matches!(code, sqlite::BUSY | sqlite::LOCKED),
        None => sqlstate(error).is_some_and(|code| matches!(code.as_str(), "40001" | "40P01")),
    }
}

/// Returns true if the same statement may succeed later without a change: disk full, no connection, a lock or time
/// limit, a lost race. Any other error is caused by the statement or its data.
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

/// Returns true if the wait for a lock timed out.
pub fn is_lock_timeout(error: &DbError) -> bool {
    sqlstate(error).is_some_and(|code| code == "55P03")
}

/// Returns true if a unique index or key refused the statement.
pub fn is_unique_violation(error: &DbError) -> bool {
    sqlstate(error).is_some_and(|code| matches!(code.as_str(), "23505" | "2067" | "1555"))
}

/// Returns true if an error of COMMIT leaves its outcome open: any error but an answer of the database.
pub(super) fn is_disconnected(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            // 57P01 to 57P03: the server is shutting down or has crashed, and reports that instead of an answer.
            match error.as_database_error() {
                Some(answer) => answer.code().is_some_and(|code| code.starts_with("57P")),
                None => !matches!(error.as_ref(), Error::PoolTimedOut),
            }
        }
        DbErr::Custom(_) => false, // made by this crate: COMMIT was never sent
        _ => true,
    }
}

/// Returns the driver's error inside.
fn cause(error: &DbError) -> Option<&Error> {
    let DbError::Failed(DbErr::Exec(runtime) | DbErr::Query(runtime) | DbErr::Conn(runtime)) = error else {
        return None;
    };
    match runtime {
        RuntimeErr::SqlxError(error) => Some(error),
        RuntimeErr::Internal(_) => None,
    }
}

/// Returns the SQLSTATE on PostgreSQL, the extended result code on SQLite.
pub(super) fn sqlstate(error: &DbError) -> Option<String> {
    cause(error)?.as_database_error()?.code().map(|code| code.into_owned())
}

/// Returns the primary result code of a SQLite error.
pub(super) fn sqlite_code(error: &DbError) -> Option<u32> {
    let answer = cause(error)?.as_database_error()?;
    answer.try_downcast_ref::<SqliteError>()?;
    answer.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}
