//! What becomes of an attempt that was let through: right, wrong, or not judged by anybody.
//! Not here: whether it is let through (`brake`).

use super::Error;
use super::familiar::Familiar;
use super::row::Row;
use super::turn::Turn;
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Lane, Tx, record};

/// One attempt that was let through.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Attempt {
    /// To be taken back when it turns out right.
    pub(super) counted: Vec<Counted>,
    /// To be released altogether then: the account at this place.
    pub(super) here: Option<String>,
    /// To be remembered then.
    pub(super) familiar: Familiar,
    /// What it used up.
    pub(super) turn: Option<Turn>,
}

record! {
    /// One failure more.
    pub struct Counted {
        /// The row.
        key: String,
        /// With this one.
        failures: i64,
        /// When this one is.
        at: Micros,
        /// When the one before it was.
        last_at: Micros,
    }
}

impl Counted {
    /// One failure more than a row has.
    pub(super) fn beyond(row: &Row, now: Micros) -> Self {
        let failures = if row.is_stale(now) { 1 } else { row.failures.saturating_add(1) };
        Self { key: row.key.clone(), failures, at: now, last_at: row.last_at }
    }
}

impl Attempt {
    /// It was right: takes it back, in the transaction of what it led to. Only the account at this place starts anew:
    /// whoever guesses others' passwords cannot wash themselves clean with their own.
    pub async fn succeeded(&self, tx: &Tx, now: Micros) -> Result<(), DbError> {
        self.take_back(tx, self.here.as_deref()).await?;
        self.familiar.remember(tx, now).await
    }

    /// The account is at home here now, whether or not the attempt stays counted.
    pub async fn at_home(&self, tx: &Tx, now: Micros) -> Result<(), DbError> {
        self.familiar.remember(tx, now).await
    }

    /// What became of it. Only what was judged to be wrong stays counted: not what found no room or no database.
    pub async fn closed<T>(self, ctx: &Ctx, outcome: Result<T, Error>) -> Result<T, Error> {
        let is_judged = matches!(outcome, Ok(_) | Err(Error::BadCredentials | Error::EmailTaken));
        if !is_judged && !self.counted.is_empty() {
            let attempt = &self;
            let undo = |tx| async move { attempt.undo(&tx).await };
            if let Err(error) = ctx.db.write::<_, DbError, _, _>(Lane::Interactive, undo).await {
                tracing::warn!(%error, "an attempt that nobody judged stays counted");
            }
        }
        outcome
    }

    async fn undo(&self, tx: &Tx) -> Result<(), DbError> {
        self.take_back(tx, None).await?;
        match &self.turn {
            Some(turn) => turn.put_back(tx).await,
            None => Ok(()),
        }
    }

    /// One failure less, none under the key that is released. The time of the last one is again what it was, unless there
    /// was one since.
    async fn take_back(&self, tx: &Tx, released: Option<&str>) -> Result<(), DbError> {
        let sql = "UPDATE brake SET
                   failures = CASE WHEN brake.key = $2 OR brake.failures < 1 THEN 0 ELSE brake.failures - 1 END,
                   last_at = CASE WHEN brake.last_at = r.at THEN r.last_at ELSE brake.last_at END
                   FROM {records} WHERE brake.key = r.key";
        db::update_by(tx, sql, &self.counted, [released.map(str::to_owned).into()]).await.map(drop)
    }
}
