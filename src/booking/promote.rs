//! Promoting a long waitlist: the entries that the transaction that freed tickets left, a chunk at a time. Until the
//! last chunk the free tickets belong to the waitlist.
//! Not here: the choice of entries (`allocate`), and requesting the job (`change_set`).

use tokio_util::sync::CancellationToken;

use super::allocate::{Quota, allocate};
use super::change_set::ChangeSet;
use super::chunks::{self, Held};
use super::inventory::{self, Part};
use crate::ctx::Ctx;
use crate::db::{DbError, Priority};
use crate::id::EventId;
use crate::queue::claim;
use crate::queue::worker::Handler;

/// Arguments of the job.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Args {
    event: EventId,
}

/// Returns the handler of these jobs; it stops between chunks once `stop` is cancelled.
pub fn handler(ctx: Ctx, stop: CancellationToken) -> Handler {
    chunks::handler(ctx, stop, |ctx, args: Args, held| {
        Box::pin(async move { chunk(&ctx, args.event, Some(held)).await })
    })
}

/// Promotes the next entries of an event's waitlists. Returns true if there may be more.
pub async fn chunk(ctx: &Ctx, event: EventId, held: Option<Held>) -> Result<bool, DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let mut inventories = inventory::lock(&tx, &[Part::Whole(event)], &[], ctx.now()).await?;
            let Some(before) = inventories.remove(&event).filter(|inventory| inventory.is_on_sale()) else {
                return Ok(false);
            };
            let mut lines = before.clone();
            for quota in before.quotas_where(|one| one.waiting > 0 && one.free() > 0) {
                inventory::read_waitlist(&tx, &mut lines, quota, inventory::SERVED_MAX).await?;
            }
            let allocation = allocate(lines, &[]);
            if let Some(Held { id, token }) = held {
                // The rows themselves show the progress; advancing the cursor resets the count of attempts.
                let served = serde_json::json!({ "revision": before.revision + 1 }).to_string();
                if !claim::advance(&tx, id, token, &served).await? {
                    return Ok(false);
                }
            }
            let mut change_set = ChangeSet::besides(ctx);
            change_set.promote(&allocation.inventory, &allocation.promotions);
            change_set.count(&before, &allocation.inventory, false);
            change_set.write(&tx).await?;
            Ok(allocation.inventory.quotas.iter().any(Quota::is_unfinished))
        })
        .await
}
