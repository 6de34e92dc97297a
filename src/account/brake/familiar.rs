//! The places an account is at home at.
//! Not here: what that is worth to whoever is wrong there (`brake`).

use std::time::Duration;

use super::{place, row};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Tx};

/// How often a familiar place is written anew: a session is renewed every quarter of an hour.
const FAMILIAR_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// An account's being at home at a place, once it has shown that it is.
#[derive(Debug, Clone, Default)]
pub struct Familiar(Option<String>);

impl Familiar {
    /// The one of this key.
    pub(super) fn of(key: String) -> Self {
        Self(Some(key))
    }

    /// Remembers it from now on, to the day.
    pub async fn remember(&self, tx: &Tx, now: Micros) -> Result<(), DbError> {
        let Some(key) = &self.0 else { return Ok(()) };
        let sql = "INSERT INTO brake (key, failures, until, last_at) VALUES ($1, 0, 0, $2)
                   ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at WHERE brake.last_at <= $3";
        db::run(tx, sql, [key.clone().into(), now.into(), now.minus(FAMILIAR_EVERY).into()]).await.map(drop)
    }
}

/// The key of the place this request comes from, with this account.
pub(super) fn key(ctx: &Ctx, account: &str) -> String {
    row::key("familiar", &[account, &place::place(ctx)])
}
