//! Promoting a long waitlist: the entries that the transaction that freed tickets left, a chunk at a time. Until the
//! last chunk the free tickets belong to the waitlist.
//! Not here: the choice of entries (`allocate`), and requesting the job (`change_set`).

use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;

use super::allocate::{Quota, allocate};
use super::change_set::ChangeSet;
use super::chunks::InChunks;
use super::inventory::{self, Part};
use super::serve_waitlist::ServeWaitlist;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority};
use crate::id::EventId;
use crate::queue::claim::{self, Held};

/// Returns the handler of these jobs; it stops between chunks once `stop` is cancelled.
pub fn handler(ctx: Ctx, stop: CancellationToken) -> InChunks<ServeWaitlist> {
    InChunks::new(ctx, stop, |ctx, args: ServeWaitlist, held| {
        Box::pin(async move { chunk(&ctx, args.event, Some(held)).await })
    })
}

#[derive(FromQueryResult)]
struct Unserved {
    event_id: EventId,
}

/// Promotes what a job that died has left: no later transaction requests another job. Events whose first entry waits
/// for more tickets than are free are read as well, and stay as they are.
pub async fn promote_left(ctx: &Ctx) -> Result<(), DbError> {
    let sql = "SELECT DISTINCT q.event_id FROM quota q JOIN event e ON e.id = q.event_id
               WHERE q.waiting > 0 AND q.open = 0 AND q.sold + q.held < q.capacity
               AND e.status = 'PUBLISHED' AND e.ends_at > $1";
    let unserved: Vec<Unserved> = db::all(ctx.db.read(), sql, [ctx.now().into()]).await?;
    for Unserved { event_id } in unserved {
        // One event that fails must not keep the others waiting.
        let promoted = async {
            while chunk(ctx, event_id, None).await? {}
            Ok::<_, DbError>(())
        };
        if let Err(error) = promoted.await {
            tracing::error!(%error, event = %event_id, "cannot promote a waitlist that a dead job left");
        }
    }
    Ok(())
}

/// Promotes the next entries of an event's waitlists. Returns true if there may be more.
#[tracing::instrument(level = "debug", skip_all, fields(event = %event))]
pub async fn chunk(ctx: &Ctx, event: EventId, held: Option<Held>) -> Result<bool, DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let mut inventories = inventory::lock(&tx, &[Part::Whole(event)], &[], ctx.now()).await?;
            let Some(before) = inventories.remove(&event).filter(|inventory| inventory.is_on_sale()) else {
                return Ok(false);
            };
            let mut with = before.clone();
            for quota in before.quotas_where(|one| one.waiting > 0 && one.free() > 0) {
                inventory::read_waitlist(&tx, &mut with, quota, inventory::SERVED_MAX).await?;
            }
            let allocation = allocate(with, &[]);
            if let Some(held) = held {
                // The rows themselves show the progress; advancing the cursor resets the count of attempts.
                let served = serde_json::json!({ "revision": before.revision + 1 }).to_string();
                if !claim::advance(&tx, held, &served).await? {
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
