//! Booking batcher: concurrent orders are decided together and committed together.
//! Not here: the decisions (`order`, `allocate`).
//!
//! There is no timer. A lane takes all waiting orders, decides them in one transaction, answers them, and takes the
//! orders that arrived meanwhile: one customer alone pays one commit, sixty-four share one. On SQLite there is one
//! lane, because there is one writer; on PostgreSQL a few, by a hash of the event, so that busy events do not wait for
//! each other.
//!
//! A batch that fails is split in halves until the failing order is alone; it is answered with an internal error. The
//! others are decided as if it had never arrived. A panic counts as a failure. Every order is answered.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};

use super::Error;
use super::order::{Placed, Request, place_all};
use crate::ctx::Ctx;
use crate::db::{DbError, is_lock_timeout, is_transient, is_unique_violation};

/// Orders that may wait per lane. Further orders are refused as overloaded, and their clients may try again.
const WAITING_MAX: usize = 4_096;

/// Number of lanes and size of batches.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Lanes that work side by side.
    pub lanes: usize,
    /// The most orders decided in one transaction; 1 only to measure the gain of batches.
    pub batch_max: usize,
}

impl Settings {
    /// Returns the settings that suit the database.
    pub fn for_db(sqlite: bool) -> Self {
        Self { lanes: if sqlite { 1 } else { 4 }, batch_max: 256 }
    }
}

/// Handle through which orders are submitted; cheap to clone.
#[derive(Clone)]
pub struct Batcher {
    lanes: Arc<Vec<mpsc::Sender<Waiting>>>,
    stats: Arc<Stats>,
}

/// Counters of the batcher since it was opened.
#[derive(Debug, Default)]
pub struct Stats {
    /// Number of batches committed.
    pub batches: AtomicU64,
    /// Number of orders answered, refusals included.
    pub orders: AtomicU64,
    /// Orders in the largest batch.
    pub largest: AtomicU64,
    /// Number of orders submitted.
    pub submitted: AtomicU64,
}

struct Waiting {
    request: Request,
    reply: oneshot::Sender<Result<Placed, Error>>,
}

impl Batcher {
    /// Opens the batcher. It closes when the last handle is dropped and every order was answered.
    pub fn open(ctx: &Ctx, settings: Settings) -> Self {
        let stats = Arc::new(Stats::default());
        let lanes = (0..settings.lanes.max(1))
            .map(|_| {
                let (entrance, waiting) = mpsc::channel(WAITING_MAX);
                tokio::spawn(work(ctx.clone(), waiting, settings.batch_max.max(1), stats.clone()));
                entrance
            })
            .collect();
        Self { lanes: Arc::new(lanes), stats }
    }

    /// Returns the counters of the batcher.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Submits an order and waits for the answer.
    pub async fn submit(&self, request: Request) -> Result<Placed, Error> {
        let hash = request.order.event.0.as_u128() as usize; // the low bits of a UUIDv7 are random
        let lane = &self.lanes[hash % self.lanes.len()];
        let (reply, answer) = oneshot::channel();
        lane.try_send(Waiting { request, reply }).map_err(|_| DbError::Overloaded)?;
        self.stats.submitted.fetch_add(1, Ordering::Relaxed);
        answer.await.unwrap_or(Err(Error::Internal))
    }
}

async fn work(ctx: Ctx, mut entrance: mpsc::Receiver<Waiting>, batch_max: usize, stats: Arc<Stats>) {
    let mut batch = Vec::new();
    while entrance.recv_many(&mut batch, batch_max).await > 0 {
        while !batch.is_empty() {
            let (now, later) = apart(std::mem::take(&mut batch));
            decide(&ctx, now, &stats).await;
            batch = later;
        }
    }
}

/// Defers the second order under one key: the next batch finds the first one's answer.
fn apart(batch: Vec<Waiting>) -> (Vec<Waiting>, Vec<Waiting>) {
    let mut keys = HashSet::new();
    batch.into_iter().partition(|Waiting { request, .. }| match &request.key {
        Some(keyed) => keys.insert(keyed.key().clone()),
        None => true,
    })
}

/// Decides a batch and answers it. A batch that fails as a whole is split.
async fn decide(ctx: &Ctx, batch: Vec<Waiting>, stats: &Stats) {
    let mut open = vec![(batch, Tried::Never)];
    while let Some((mut batch, tried)) = open.pop() {
        let requests: Vec<Request> = batch.iter().map(|waiting| waiting.request.clone()).collect();
        match attempt(ctx, &requests).await {
            Ok(answers) => {
                stats.batches.fetch_add(1, Ordering::Relaxed);
                stats.orders.fetch_add(batch.len() as u64, Ordering::Relaxed);
                stats.largest.fetch_max(batch.len() as u64, Ordering::Relaxed);
                for (waiting, answer) in batch.into_iter().zip(answers) {
                    // A client that stopped waiting repeats the order with the same key.
                    let _ = waiting.reply.send(answer);
                }
            }
            // A connection broke, and nothing was written. The next connection may work.
            Err(error) if is_away(&error) && tried == Tried::Never => {
                tracing::warn!(%error, size = batch.len(), "retrying a batch");
                open.push((batch, Tried::Once));
            }
            // The database is unavailable or overloaded. That would fail each order alone as well.
            Err(error) if is_away(&error) || matches!(error, DbError::Overloaded) => turn_away(batch, &error),
            // Another transaction holds the lock of one event. Orders for other events must not wait for it.
            Err(error) if is_lock_timeout(&error) => {
                let event = batch[0].request.order.event; // a batch is never empty
                let (held, others): (Vec<Waiting>, Vec<Waiting>) =
                    batch.into_iter().partition(|waiting| waiting.request.order.event == event);
                if others.is_empty() {
                    turn_away(held, &error);
                } else {
                    open.push((held, tried));
                    open.push((others, tried));
                }
            }
            // The commit is unclear: an order that may be committed is not decided again, unless it is repeated with
            // its key.
            Err(error) if batch.len() == 1 || matches!(error, DbError::Unclear) => {
                tracing::error!(%error, event = %requests[0].order.event, size = batch.len(), "orders could not be decided");
                for waiting in batch {
                    let _ = waiting.reply.send(Err(Error::Internal));
                }
            }
            Err(error) => {
                tracing::warn!(%error, size = batch.len(), "a batch failed and is split in halves");
                let second = batch.split_off(batch.len() / 2);
                open.push((second, tried));
                open.push((batch, tried)); // decided first: order of arrival is kept
            }
        }
    }
}

/// Number of earlier attempts at a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    Never,
    Once,
}

/// Returns true if the database as a whole is at fault and it is certain that nothing was written.
fn is_away(error: &DbError) -> bool {
    is_transient(error) && !matches!(error, DbError::Unclear | DbError::Overloaded) && !is_lock_timeout(error)
}

/// Refuses a whole batch as overloaded, so that clients try again.
fn turn_away(batch: Vec<Waiting>, error: &DbError) {
    tracing::warn!(%error, event = %batch[0].request.order.event, size = batch.len(), "orders were refused for now");
    for waiting in batch {
        let _ = waiting.reply.send(Err(DbError::Overloaded.into()));
    }
}

async fn attempt(ctx: &Ctx, requests: &[Request]) -> Result<Vec<Result<Placed, Error>>, DbError> {
    for _ in 0..3 {
        let outcome = AssertUnwindSafe(place_all(ctx, requests)).catch_unwind().await;
        match outcome {
            // Another process took the same key or reference between this read and this write: read again.
            Ok(Err(error)) if is_unique_violation(&error) => {}
            Ok(outcome) => return outcome,
            Err(_) => return Err(DbError::Failed(sea_orm::DbErr::Custom("panic while deciding a batch".into()))),
        }
    }
    Err(DbError::Failed(sea_orm::DbErr::Custom("a batch kept violating a unique index".into())))
}
