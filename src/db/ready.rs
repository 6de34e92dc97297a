//! Readiness: whether the database accepts a write now.
//! Not here: the HTTP endpoint (`http::health`).
//!
//! Only a write is a proof: a database that no longer stores data can answer reads for days. Answers are shared for a
//! second, so that probes cost at most one small commit a second. Commits of the service itself count as proof too.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, timeout};

use super::error::{sqlite, sqlite_code, sqlstate};
use super::transaction::Transaction;
use super::{Db, DbError, Priority, run};

use crate::sync;

/// Time for which an answer is reused.
const TRUE_FOR: Duration = Duration::from_secs(1);

/// Time limit of the write: less than the second within which the probe must answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(800);

/// Reason why the database accepts no write; one code per cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// The database does not answer.
    #[error("the database does not answer")]
    Unreachable,
    /// The disk of the database is full.
    #[error("the database has no disk space left; free some, and writes resume without a restart")]
    Full,
    /// The database answers, but accepts no writes.
    #[error("the database can only be read")]
    ReadOnly,
    /// The file at the path is not the SQLite file that was opened.
    #[error("the database file was moved, removed or replaced; stop the service, put the file back, start again")]
    FileReplaced,
    /// One transaction, of this service or another program, blocks all others.
    #[error("one transaction blocks all others")]
    Stuck,
    /// The database answers with an error.
    #[error("the database returns errors; see the log")]
    Failing,
}

impl Unready {
    /// Returns the code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "DATABASE_UNREACHABLE",
            Self::Full => "DATABASE_FULL",
            Self::ReadOnly => "DATABASE_READ_ONLY",
            Self::FileReplaced => "DATABASE_FILE_REPLACED",
            Self::Stuck => "DATABASE_STUCK",
            Self::Failing => "DATABASE_FAILING",
        }
    }

    fn of(error: &DbError) -> Self {
        if let Some(code) = sqlite_code(error) {
            return match code {
                sqlite::FULL => Self::Full,
                sqlite::READONLY => Self::ReadOnly,
                sqlite::BUSY | sqlite::LOCKED => Self::Stuck, // held by another program
                _ => Self::Failing,
            };
        }
        match (error, sqlstate(error).as_deref()) {
            (DbError::FileReplaced, _) => Self::FileReplaced,
            (DbError::Overloaded, _) | (_, Some("55P03" | "57014")) => Self::Stuck,
            (_, Some("53100")) => Self::Full,
            (_, Some("25006")) => Self::ReadOnly,
            // Shutting down, starting up, or out of connections.
            (_, Some(code)) if code.starts_with("57P") || code.starts_with("53") => Self::Unreachable,
            (DbError::Failed(DbErr::ConnectionAcquire(_) | DbErr::Conn(_)), _) => Self::Unreachable,
            (error, None) if super::is_transient(error) => Self::Unreachable,
            _ => Self::Failing,
        }
    }
}

/// Results of the latest writes.
pub(super) struct Readiness {
    /// The latest answer. Locked during a check, so that concurrent callers share its result.
    answer: AsyncMutex<Option<(Instant, Result<(), Unready>)>>,
    /// Time of the latest successful write. A check in progress subscribes to the next one.
    written: watch::Sender<Option<Instant>>,
    /// Time and cause of the latest failed write, if the cause affects other writes too.
    refused: Mutex<Option<(Instant, Unready)>>,
    /// State that was logged last, so that each change is logged once.
    logged: Mutex<Option<Unready>>,
}

impl Default for Readiness {
    fn default() -> Self {
        let (refused, logged) = (Mutex::default(), Mutex::default());
        Self { answer: AsyncMutex::default(), written: watch::Sender::default(), refused, logged }
    }
}

impl Readiness {
    /// Records a successful write.
    pub(super) fn written(&self) {
        self.written.send_replace(Some(Instant::now()));
    }

    /// Records a failed write. The probe alone would miss a full disk, because its one page may still fit where a
    /// booking does not.
    pub(super) fn failed(&self, error: &DbError) {
        let unready = Unready::of(error);
        if super::is_transient(error) && matches!(unready, Unready::Full | Unready::ReadOnly | Unready::Failing) {
            *self.refused() = Some((Instant::now(), unready));
        }
    }

    /// Returns the cause of a failed write that is still recent, if no write succeeded since.
    fn still_refused(&self) -> Option<Unready> {
        let (at, unready) = (*self.refused())?;
        let is_newest = self.written.borrow().is_none_or(|written| written < at);
        (is_newest && at.elapsed() < TRUE_FOR).then_some(unready)
    }

    fn refused(&self) -> MutexGuard<'_, Option<(Instant, Unready)>> {
        sync::lock(&self.refused)
    }

    fn log(&self, now: Option<Unready>, error: Option<&DbError>) {
        let before = std::mem::replace(&mut *sync::lock(&self.logged), now);
        match now {
            Some(unready) if before != now => {
                let error = error.map(tracing::field::display);
                tracing::error!(code = unready.code(), error, "not ready: {unready}");
            }
            None if before.is_some() => tracing::info!("ready again: the database takes writes"),
            _ => {}
        }
    }
}

impl Db {
    /// Checks that the database accepts a write. The answer is at most a second old, and comes within a second.
    pub async fn ready(&self) -> Result<(), Unready> {
        let mut last = self.readiness.answer.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < TRUE_FOR
        {
            return *answer;
        }
        let mut written = self.readiness.written.subscribe();
        let is_recent = written.borrow_and_update().is_some_and(|at| at.elapsed() < TRUE_FOR);
        let in_place = self.file.as_ref().is_none_or(|file| file.is_in_place());
        let asked = async {
            tokio::select! {
                outcome = self.write_something() => outcome,
                // A commit of another writer in the meantime is the proof, however long the queue is.
                _ = written.changed() => Ok(()),
            }
        };
        let known = match self.readiness.still_refused() {
            _ if !in_place => Some(Err(Unready::FileReplaced)),
            Some(unready) => Some(Err(unready)),
            None => is_recent.then_some(Ok(())),
        };
        let (answer, error) = match known {
            Some(answer) => (answer, None),
            None => match timeout(ANSWERS_WITHIN, asked).await {
                Ok(Ok(())) => (Ok(()), None),
                Ok(Err(error)) => (Err(Unready::of(&error)), Some(error)),
                Err(_) => match &self.write_queue {
                    // A long transaction counts as a failure only once other writers time out.
                    Some(write_queue) if write_queue.is_stuck() => (Err(Unready::Stuck), None),
                    Some(write_queue) if write_queue.is_busy() => (Ok(()), None),
                    Some(_) => (Err(Unready::Stuck), None), // blocked by another program
                    None => (Err(Unready::Unreachable), None),
                },
            },
        };
        self.readiness.log(answer.err(), error.as_ref());
        *last = Some((Instant::now(), answer));
        answer
    }

    /// Commits a change of a row used for nothing else. A row locked by another process is skipped: the write of that
    /// process is the same proof.
    async fn write_something(&self) -> Result<(), DbError> {
        let _pass = match &self.write_queue {
            Some(write_queue) => Some(write_queue.enter(Priority::Interactive).await?),
            None => None,
        };
        let transaction = Transaction::begin(&self.write).await?;
        // The value has to change, because SQLite writes nothing otherwise.
        let sql = format!(
            "UPDATE meta SET value = CAST(CAST(value AS bigint) % 1000000 + 1 AS text)
             WHERE name = (SELECT name FROM meta WHERE name = 'readiness'{})",
            super::skip_locked(&transaction)
        );
        match run(&transaction, &sql, []).await {
            Ok(_) => Ok(transaction.commit().await?),
            Err(error) => {
                let _ = transaction.rollback().await; // otherwise its connection is closed
                Err(error)
            }
        }
    }
}
