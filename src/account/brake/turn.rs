//! Turns: who was refused because strangers guess an account comes back past their refusal, once.
//! Not here: when somebody gets one (`brake`).

use super::row::{self, FORGOTTEN_AFTER, Row};
use super::{Patience, place};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Lane, Tx, record};

/// Whose turn it is past the refusal of everybody else.
#[derive(Debug, Clone)]
pub struct Turn {
    /// What they need not ask.
    pub past: String,
    /// Their row, as it was given.
    row: Row,
}

record! {
    /// A turn as a row.
    struct Kept {
        key: String,
        failures: i64,
        until: Micros,
        last_at: Micros,
    }
}

impl Turn {
    /// The turn this row is.
    pub fn of(row: Row, past: &str) -> Self {
        Self { past: past.to_owned(), row }
    }

    /// When it begins.
    pub fn begins(&self) -> Micros {
        self.row.until
    }

    /// The turn of a network that was refused under the key `past`: after the wait everybody has after so many failures. The
    /// one it has, if any.
    pub async fn give(ctx: &Ctx, key: &str, past: &str, patience: Patience, failures: i64) -> Result<Self, DbError> {
        let now = ctx.now();
        let begins = now.plus(patience.after(failures));
        let (lost, latest) = (now.minus(FORGOTTEN_AFTER), now.plus(patience.longest));
        // It has a failure, so that it is forgotten like one.
        let sql = "INSERT INTO brake (key, failures, until, last_at) VALUES ($1, 1, $2, $3)
                   ON CONFLICT (key) DO UPDATE SET
                   until = CASE WHEN brake.last_at > $4 AND brake.until <= $5 THEN brake.until ELSE excluded.until END,
                   last_at = CASE WHEN brake.last_at > $4 AND brake.until <= $5 THEN brake.last_at ELSE excluded.last_at END
                   RETURNING key, failures, until, last_at";
        let binds = [key.into(), begins.into(), now.into(), lost.into(), latest.into()];
        let binds = &binds;
        let given = |tx| async move { db::one::<Row, _>(&tx, sql, binds.clone()).await };
        let given = ctx.db.write::<_, DbError, _, _>(Lane::Interactive, given).await?;
        let row = given.unwrap_or_else(|| Row { key: key.to_owned(), failures: 1, until: begins, last_at: now });
        Ok(Self::of(row, past))
    }

    /// Uses it up; false if somebody of the same network did.
    pub async fn take(&self, tx: &Tx) -> Result<bool, DbError> {
        let sql = "DELETE FROM brake WHERE key = $1 AND until = $2 AND last_at = $3";
        Ok(db::run(tx, sql, [self.row.key.clone().into(), self.row.until.into(), self.row.last_at.into()]).await? == 1)
    }

    /// Gives it back as it was, unless there is another by now.
    pub async fn put_back(&self, tx: &Tx) -> Result<(), DbError> {
        let row = Kept { key: self.row.key.clone(), failures: 1, until: self.row.until, last_at: self.row.last_at };
        db::insert(tx, "brake", &[row], "ON CONFLICT (key) DO NOTHING").await.map(drop)
    }
}

/// The key of an account's turn on the network this request comes from.
pub fn key(ctx: &Ctx, account: &str) -> String {
    row::key("turn", &[account, &place::network(ctx)])
}
