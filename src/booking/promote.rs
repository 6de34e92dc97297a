//! Serving a long line: what the transaction that freed places did not serve, a chunk at a time. Until it is done the free
//! places belong to the line.
//! Not here: who is served (`allocate`), and asking for the job (`settle`).

use tokio_util::sync::CancellationToken;

use super::allocate::{Pool, allocate};
use super::chunks::{self, Held};
use super::floor;
use super::settle::Ledger;
use crate::ctx::Ctx;
use crate::db::{DbError, Lane};
use crate::id::EventId;
use crate::queue::claim;
use crate::queue::worker::Handler;

/// Arguments of the job.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Args {
    event: EventId,
}

/// Works such jobs off, until `stop`.
pub fn handler(ctx: Ctx, stop: CancellationToken) -> Handler {
    chunks::handler(ctx, stop, |ctx, args: Args, held| {
        Box::pin(async move { chunk(&ctx, args.event, Some(held)).await })
    })
}

/// Serves the next entries of an event's lines. Says whether there may be more.
pub async fn chunk(ctx: &Ctx, event: EventId, held: Option<Held>) -> Result<bool, DbError> {
    ctx.db
        .write(Lane::Worker, |tx| async move {
            let mut floors = floor::lock(&tx, &[event], &[], ctx.now()).await?;
            let Some(before) = floors.remove(&event).filter(|floor| floor.is_on_sale()) else { return Ok(false) };
            let mut lines = before.clone();
            for pool in lines.pools.iter_mut().filter(|pool| pool.waiting > 0 && pool.free() > 0) {
                floor::read_line(&tx, pool, before.terms, floor::SERVED_MAX).await?;
            }
            let allocation = allocate(lines, &[]);
            if let Some(Held { id, token }) = held {
                // What a cursor would say is in the rows; this counts attempts anew.
                let served = serde_json::json!({ "revision": before.revision + 1 }).to_string();
                if !claim::advance(&tx, id, token, &served).await? {
                    return Ok(false);
                }
            }
            let mut ledger = Ledger::besides(ctx);
            ledger.promote(&allocation.floor, &allocation.promotions);
            ledger.count(&before, &allocation.floor, false);
            ledger.write(&tx).await?;
            Ok(allocation.floor.pools.iter().any(Pool::is_unfinished))
        })
        .await
}
