//! Reacting: what follows from each fact is written in the transaction that moves the cursor over it.
//! Not here: what follows (`reactions`), and numbering.
//!
//! A fact that cannot be read, or whose reaction fails alone and not for a passing reason, is parked with its error and the
//! cursor moves on. A fact of a later release is left to a process of that release: this one stops reacting there.

use sea_orm::FromQueryResult;

use super::history::{self, Row};
use super::{CHANNEL, React, Reacted};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, Db, DbError, Lane, Tx, is_transient, record};
use crate::fact::{Recorded, UnreadableFact};
use crate::id::FactId;

/// The name of this consumer.
pub const CONSUMER: &str = "reactions";

/// Facts reacted to in one transaction at most.
const CHUNK: i64 = 200;

/// What a round did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The cursor moved.
    Reacted(Reacted),
    /// There was nothing to react to.
    Nothing,
    /// Another process is reacting.
    Elsewhere,
    /// The next fact is of a later release: a process of that release reacts from here on.
    Resigned,
}

#[derive(FromQueryResult)]
struct Cursor {
    last: i64,
}

record! {
    struct Parked {
        consumer: &'static str,
        fact_id: FactId,
        seq: i64,
        error: String,
        parked_at: Micros,
    }
}

/// Reacts to the next facts.
pub async fn react(ctx: &Ctx, react: &React) -> Result<Step, DbError> {
    let sql = "SELECT last FROM consumer WHERE name = $1";
    let last = db::one::<Cursor, 1>(ctx.db.read(), sql, [CONSUMER.into()]).await?.map_or(0, |cursor| cursor.last);
    if history::since(ctx.db.read(), history::About::Anything, last, 1).await?.is_empty() {
        return Ok(Step::Nothing);
    }
    match attempt(ctx, react, CHUNK).await {
        Ok(step) => Ok(step),
        Err(error) => {
            tracing::warn!(%error, "a reaction failed; facts are taken one by one");
            one_by_one(ctx, react).await
        }
    }
}

/// One transaction over up to `limit` facts.
async fn attempt(ctx: &Ctx, react: &React, limit: i64) -> Result<Step, DbError> {
    let now = ctx.now();
    ctx.db
        .write(Lane::Relay, |tx| async move {
            let Some(last) = lock_cursor(&tx).await? else { return Ok(Step::Elsewhere) };
            let rows = history::since(&tx, history::About::Anything, last, limit).await?;
            let Some(batch) = sort(&rows, now) else { return Ok(Step::Nothing) };
            if batch.up_to == last {
                return Ok(Step::Resigned);
            }
            park(&tx, &batch.damaged).await?;
            let reacted = react(tx.clone(), batch.facts.clone()).await?;
            move_cursor(&tx, batch.up_to).await?;
            Ok(Step::Reacted(reacted))
        })
        .await
}

/// The same, a fact at a time; one that fails alone is parked.
async fn one_by_one(ctx: &Ctx, react: &React) -> Result<Step, DbError> {
    let mut all: Option<Reacted> = None;
    for _ in 0..CHUNK {
        match attempt(ctx, react, 1).await {
            Ok(Step::Reacted(more)) => all.get_or_insert_default().add(more),
            Ok(step) => return Ok(all.map_or(step, Step::Reacted)),
            Err(error) => {
                if is_transient(&error) {
                    return Err(error); // says nothing about the fact: the relay tries again
                }
                park_next(&ctx.db, ctx.now(), &error).await?;
                all.get_or_insert_default();
            }
        }
    }
    Ok(Step::Reacted(all.unwrap_or_default()))
}

struct Batch {
    facts: Vec<Recorded>,
    damaged: Vec<Parked>,
    up_to: i64,
}

/// Sorts rows into readable and damaged ones, up to the first of a later release. `None`: no rows.
fn sort(rows: &[Row], now: Micros) -> Option<Batch> {
    let mut batch = Batch { facts: Vec::new(), damaged: Vec::new(), up_to: rows.first()?.seq - 1 };
    for row in rows {
        match row.read() {
            Ok(fact) => batch.facts.push(fact),
            Err(UnreadableFact::Damaged(error)) => {
                tracing::error!(fact = %row.id, error, "a fact cannot be read and is parked");
                batch.damaged.push(Parked { consumer: CONSUMER, fact_id: row.id, seq: row.seq, error, parked_at: now });
            }
            Err(UnreadableFact::Newer) => {
                tracing::debug!(fact = %row.id, kind = row.kind, v = row.v, "a fact of a later release is left alone");
                break;
            }
        }
        batch.up_to = row.seq;
    }
    Some(batch)
}

async fn lock_cursor(tx: &Tx) -> Result<Option<i64>, DbError> {
    let sql = format!("SELECT last FROM consumer WHERE name = $1{}", db::skip_locked(tx));
    Ok(db::one::<Cursor, 1>(tx, &sql, [CONSUMER.into()]).await?.map(|cursor| cursor.last))
}

async fn move_cursor(tx: &Tx, to: i64) -> Result<(), DbError> {
    db::run(tx, "UPDATE consumer SET last = $1 WHERE name = $2", [to.into(), CONSUMER.into()]).await?;
    db::notify(tx, CHANNEL, "").await
}

async fn park(tx: &Tx, facts: &[Parked]) -> Result<(), DbError> {
    db::insert(tx, "parked_fact", facts, "ON CONFLICT (consumer, fact_id) DO NOTHING").await?;
    Ok(())
}

/// Parks the fact behind the cursor with the error of its reaction.
async fn park_next(db: &Db, now: Micros, error: &DbError) -> Result<(), DbError> {
    db.write(Lane::Relay, |tx| async move {
        let Some(last) = lock_cursor(&tx).await? else { return Ok(()) };
        let rows = history::since(&tx, history::About::Anything, last, 1).await?;
        // Whatever failed, it was not the reaction to a fact that nobody here could read.
        let Some(row) = rows.first().filter(|row| row.read() != Err(UnreadableFact::Newer)) else { return Ok(()) };
        tracing::error!(fact = %row.id, kind = row.kind, %error, "a reaction failed; the fact is parked");
        let parked =
            Parked { consumer: CONSUMER, fact_id: row.id, seq: row.seq, error: error.to_string(), parked_at: now };
        park(&tx, &[parked]).await?;
        move_cursor(&tx, row.seq).await
    })
    .await
}
