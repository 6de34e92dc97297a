//! Numbering: domain events get a contiguous `seq` in commit order.
//! Not here: reactions to them.
//!
//! Identity values are taken at INSERT but rows appear at COMMIT, so `pos > last` would miss rows. Therefore one
//! process at a time numbers the committed rows that have no number yet, and readers use `seq` only.

use sea_orm::FromQueryResult;

use crate::db::{self, Db, DbError, Priority};

/// Most domain events numbered in one transaction.
const CHUNK: i64 = 500;

/// Result of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Some domain events got their numbers.
    Numbered,
    /// No domain event was without a number.
    Nothing,
    /// Another process is numbering.
    Elsewhere,
}

#[derive(FromQueryResult)]
struct Head {
    last: i64,
}

/// Numbers the committed domain events.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn number(db: &Db) -> Result<Step, DbError> {
    let sql = "SELECT count(*) AS n FROM (SELECT 1 FROM domain_event WHERE seq IS NULL LIMIT 1) found";
    if db::number(db.read(), sql, []).await? == 0 {
        return Ok(Step::Nothing);
    }
    db.write(Priority::Relay, |tx| async move {
        let sql = format!("SELECT last FROM stream_head WHERE one = 1{}", db::skip_locked(&tx));
        let Some(head) = db::one::<Head, 0>(&tx, &sql, []).await? else { return Ok(Step::Elsewhere) };
        let sql = "UPDATE domain_event SET seq = $1 + z.rn
                   FROM (SELECT pos, row_number() OVER (ORDER BY pos) AS rn
                         FROM (SELECT pos FROM domain_event WHERE seq IS NULL ORDER BY pos LIMIT $2) y) z
                   WHERE domain_event.pos = z.pos";
        let numbered = db::run(&tx, sql, [head.last.into(), CHUNK.into()]).await?;
        if numbered == 0 {
            return Ok(Step::Nothing);
        }
        let last = head.last + i64::try_from(numbered).unwrap_or(0);
        db::run(&tx, "UPDATE stream_head SET last = $1 WHERE one = 1", [last.into()]).await?;
        Ok(Step::Numbered)
    })
    .await
}
