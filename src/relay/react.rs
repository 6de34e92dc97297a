//! Reacting: the reactions to each domain event are written in the transaction that moves the cursor past it.
//! Not here: the reactions themselves (`reactions`), and numbering.
//!
//! A domain event is parked with its error, and the cursor moves on, if it cannot be read, or if its reaction fails by
//! itself with an error that is not transient. A domain event of a later release is left to a process of that release:
//! this process stops reacting there.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use sea_orm::{DbErr, FromQueryResult};

use super::history::{self, Row};
use super::{CHANNEL, Consumer, Reacted, Start};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, Db, DbError, Priority, Tx, is_transient, record};
use crate::domain_event::{Recorded, UnreadableDomainEvent};
use crate::id::DomainEventId;

/// Most domain events reacted to in one transaction.
const CHUNK: i64 = 200;

/// Result of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The cursor moved.
    Reacted(Reacted),
    /// There was nothing to react to.
    Nothing,
    /// Another process is reacting.
    Elsewhere,
    /// The next domain event is of a later release. A process of that release reacts from here on.
    Resigned,
}

#[derive(FromQueryResult)]
struct Cursor {
    last: i64,
}

record! {
    struct Parked {
        consumer: &'static str,
        domain_event_id: DomainEventId,
        seq: i64,
        error: String,
        parked_at: Timestamp,
    }
}

/// Gives a consumer that is new in this database its cursor.
pub async fn register(ctx: &Ctx, consumer: &Consumer) -> Result<(), DbError> {
    let start = match consumer.start {
        Start::Beginning => "SELECT $1, 0 WHERE true",
        Start::Now => "SELECT $1, last FROM stream_head WHERE one = 1",
    };
    let sql = format!("INSERT INTO consumer (name, last) {start} ON CONFLICT (name) DO NOTHING");
    let known = "SELECT last FROM consumer WHERE name = $1";
    if db::one::<Cursor, 1>(ctx.db.read(), known, [consumer.name.into()]).await?.is_none() {
        let sql = &sql;
        ctx.db.write(Priority::Relay, |tx| async move { db::run(&tx, sql, [consumer.name.into()]).await }).await?;
    }
    Ok(())
}

/// Lets a consumer react to the next domain events.
pub async fn react(ctx: &Ctx, consumer: &Consumer) -> Result<Step, DbError> {
    let last = cursor(ctx, consumer).await?;
    if history::since(ctx.db.read(), history::About::Anything, last, 1).await?.is_empty() {
        return Ok(Step::Nothing);
    }
    match attempt(ctx, consumer, CHUNK).await {
        Ok(step) => Ok(step),
        Err(error) => {
            tracing::warn!(consumer = consumer.name, %error, "a batch of reactions failed; its domain events are processed one by one");
            one_by_one(ctx, consumer).await
        }
    }
}

async fn cursor(ctx: &Ctx, consumer: &Consumer) -> Result<i64, DbError> {
    let sql = "SELECT last FROM consumer WHERE name = $1";
    let row: Option<Cursor> = db::one(ctx.db.read(), sql, [consumer.name.into()]).await?;
    Ok(row.map_or(0, |cursor| cursor.last))
}

/// Reacts to up to `limit` domain events in one transaction.
#[tracing::instrument(level = "debug", skip_all, fields(consumer = consumer.name))]
async fn attempt(ctx: &Ctx, consumer: &Consumer, limit: i64) -> Result<Step, DbError> {
    let now = ctx.now();
    ctx.db
        .write(Priority::Relay, |tx| async move {
            let Some(last) = lock_cursor(&tx, consumer.name).await? else { return Ok(Step::Elsewhere) };
            let rows = history::since(&tx, history::About::Anything, last, limit).await?;
            let Some(batch) = sort(consumer.name, &rows, now) else { return Ok(Step::Nothing) };
            if batch.up_to == last {
                return Ok(Step::Resigned);
            }
            park(&tx, &batch.damaged).await?;
            // A panic is parked like an error; without this it would end the consumer for good.
            let reacting = AssertUnwindSafe((consumer.react)(tx.clone(), batch.domain_events.clone())).catch_unwind();
            let reacted = reacting.await.map_err(|_| DbErr::Custom("the reaction panicked".to_owned()))??;
            move_cursor(&tx, consumer.name, batch.up_to).await?;
            Ok(Step::Reacted(reacted))
        })
        .await
}

/// Reacts to domain events one at a time, and parks each that fails by itself.
async fn one_by_one(ctx: &Ctx, consumer: &Consumer) -> Result<Step, DbError> {
    let mut all: Option<Reacted> = None;
    for _ in 0..CHUNK {
        let before = cursor(ctx, consumer).await?;
        match attempt(ctx, consumer, 1).await {
            Ok(Step::Reacted(more)) => all.get_or_insert_default().add(more),
            Ok(step) => return Ok(all.map_or(step, Step::Reacted)),
            Err(error) => {
                if is_transient(&error) {
                    return Err(error); // not caused by the domain event: the relay tries again
                }
                park_next(&ctx.db, consumer.name, before, ctx.now(), &error).await?;
                all.get_or_insert_default();
            }
        }
    }
    Ok(Step::Reacted(all.unwrap_or_default()))
}

struct Batch {
    domain_events: Vec<Recorded>,
    damaged: Vec<Parked>,
    up_to: i64,
}

/// Sorts rows into readable and damaged ones, up to the first of a later release. Returns `None` without rows.
fn sort(consumer: &'static str, rows: &[Row], now: Timestamp) -> Option<Batch> {
    let mut batch = Batch { domain_events: Vec::new(), damaged: Vec::new(), up_to: rows.first()?.seq - 1 };
    for row in rows {
        match row.read() {
            Ok(domain_event) => batch.domain_events.push(domain_event),
            Err(UnreadableDomainEvent::Damaged(error)) => {
                tracing::error!(consumer, domain_event = %row.id, error, "a domain event cannot be read and is parked");
                batch.damaged.push(Parked { consumer, domain_event_id: row.id, seq: row.seq, error, parked_at: now });
            }
            Err(UnreadableDomainEvent::Newer) => {
                tracing::debug!(domain_event = %row.id, kind = row.kind, v = row.v, "a domain event of a later release is left to a process of that release");
                break;
            }
        }
        batch.up_to = row.seq;
    }
    Some(batch)
}

async fn lock_cursor(tx: &Tx, consumer: &'static str) -> Result<Option<i64>, DbError> {
    let sql = format!("SELECT last FROM consumer WHERE name = $1{}", db::skip_locked(tx));
    Ok(db::one::<Cursor, 1>(tx, &sql, [consumer.into()]).await?.map(|cursor| cursor.last))
}

async fn move_cursor(tx: &Tx, consumer: &'static str, to: i64) -> Result<(), DbError> {
    db::run(tx, "UPDATE consumer SET last = $1 WHERE name = $2", [to.into(), consumer.into()]).await?;
    db::notify(tx, CHANNEL, "").await
}

async fn park(tx: &Tx, domain_events: &[Parked]) -> Result<(), DbError> {
    db::insert(tx, "parked_domain_event", domain_events, "ON CONFLICT (consumer, domain_event_id) DO NOTHING").await?;
    Ok(())
}

/// Parks the domain event behind the cursor `before` with the error of its reaction. If the cursor has moved since,
/// another process has dealt with the domain event that failed here.
async fn park_next(
    db: &Db,
    consumer: &'static str,
    before: i64,
    now: Timestamp,
    error: &DbError,
) -> Result<(), DbError> {
    db.write(Priority::Relay, |tx| async move {
        let locked = lock_cursor(&tx, consumer).await?;
        let Some(last) = locked.filter(|last| *last == before) else { return Ok(()) };
        let rows = history::since(&tx, history::About::Anything, last, 1).await?;
        // A domain event of a later release is not parked: no reaction to it ran here, so the failure has another
        // cause.
        let Some(row) = rows.first().filter(|row| row.read() != Err(UnreadableDomainEvent::Newer)) else { return Ok(()) };
        tracing::error!(consumer, domain_event = %row.id, kind = row.kind, %error, "a reaction failed; its domain event is parked");
        let parked =
            Parked { consumer, domain_event_id: row.id, seq: row.seq, error: error.to_string(), parked_at: now };
        park(&tx, &[parked]).await?;
        move_cursor(&tx, consumer, row.seq).await
    })
    .await
}
