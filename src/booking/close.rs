//! Ending waitlist entries that can no longer lead to tickets: of events that have begun, and of accounts that may not
//! book.
//! Not here: the waitlist of an event that was called off (`call_off`), and the notices.

use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;

use super::allocate::{Inventory, allocate};
use super::change_set::{ChangeSet, Leaving};
use super::chunks::{self, Held};
use super::inventory;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::id::{EntryId, EventId, QuotaId, UserId};
use crate::queue::claim;
use crate::queue::worker::Handler;
use crate::status::{EventStatus, LeaveReason};

/// The most entries one transaction ends: a few milliseconds of the writer.
const CHUNK: i64 = 200;

/// The most entries of one account that one transaction ends. Each may be of another event, with a waitlist that moves
/// on.
const CHUNK_OF_ACCOUNT: i64 = 10;

#[derive(Debug, FromQueryResult)]
struct Open {
    id: EntryId,
    event_id: EventId,
    quota_id: QuotaId,
    user_id: UserId,
    quantity: i64,
}

impl Open {
    fn leaving(&self, reason: LeaveReason) -> Leaving {
        Leaving { entry: self.id, user: self.user_id, quota: self.quota_id, quantity: self.quantity, reason }
    }
}

#[derive(Debug, FromQueryResult)]
struct Begun {
    event_id: EventId,
}

/// Ends the entries of all events that have begun. Returns their number.
pub async fn close_begun(ctx: &Ctx) -> Result<u64, DbError> {
    let mut all = 0;
    loop {
        let sql = "SELECT q.event_id FROM quota q JOIN event e ON e.id = q.event_id
                   WHERE q.waiting > 0 AND e.starts_at <= $1 AND e.status <> 'CANCELLED' LIMIT 100";
        let begun: Vec<Begun> = db::all(ctx.db.read(), sql, [ctx.now().into()]).await?;
        let mut ended = 0;
        for Begun { event_id } in begun {
            loop {
                let some = chunk_of_event(ctx, event_id).await?;
                ended += some;
                if some < CHUNK as u64 {
                    break;
                }
            }
        }
        all += ended;
        if ended == 0 {
            return Ok(all);
        }
    }
}

async fn chunk_of_event(ctx: &Ctx, id: EventId) -> Result<u64, DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let mut inventories = inventory::lock(&tx, &[id], &[], ctx.now()).await?;
            let over = |inventory: &Inventory| inventory.begun && inventory.status != EventStatus::Cancelled;
            let Some(before) = inventories.remove(&id).filter(over) else { return Ok(0) };
            let sql = "SELECT id, event_id, quota_id, user_id, quantity FROM waitlist_entry
                       WHERE event_id = $1 AND status = 'WAITING' ORDER BY position_key LIMIT $2";
            let open: Vec<Open> = db::all(&tx, sql, [id.into(), CHUNK.into()]).await?;
            let leavings: Vec<Leaving> = open.iter().map(|entry| entry.leaving(LeaveReason::EventOver)).collect();
            let mut after = before.clone();
            let mut change_set = ChangeSet::new(ctx);
            change_set.leave(&mut after, &leavings, None);
            change_set.count(&before, &after, !leavings.is_empty());
            change_set.write(&tx).await?;
            Ok(leavings.len() as u64)
        })
        .await
}

/// Arguments of the job for an account.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Args {
    user: UserId,
}

/// Returns the handler of the jobs for accounts that may not book any more; it stops once `stop` is cancelled.
pub fn handler(ctx: Ctx, stop: CancellationToken) -> Handler {
    chunks::handler(ctx, stop, |ctx, args: Args, held| {
        Box::pin(async move { chunk_of_account(&ctx, args.user, Some(held)).await })
    })
}

/// Ends the next entries of an account; entries behind them may be promoted at once. Returns true if there may be more.
pub async fn chunk_of_account(ctx: &Ctx, user: UserId, held: Option<Held>) -> Result<bool, DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let mut events: Vec<EventId> = next_of(&tx, user).await?.iter().map(|entry| entry.event_id).collect();
            events.dedup();
            let inventories = inventory::lock(&tx, &events, &[], ctx.now()).await?;
            // Read again under the lock, so that no other transaction ends or promotes them.
            let open = next_of(&tx, user).await?;
            if let Some(Held { id, token }) = held {
                let at = open.last().map(|entry| entry.event_id);
                if !claim::advance(&tx, id, token, &serde_json::json!(at).to_string()).await? {
                    return Ok(false);
                }
            }
            let (mut change_set, mut ended) = (ChangeSet::new(ctx), 0);
            for before in inventories.values() {
                let own = open.iter().filter(|entry| entry.event_id == before.event);
                let leavings: Vec<Leaving> = own.map(|entry| entry.leaving(LeaveReason::AccountClosed)).collect();
                ended += leavings.len();
                let mut without = before.clone();
                change_set.leave(&mut without, &leavings, None);
                for quota in without.quotas.iter_mut().filter(|one| one.waiting > 0 && one.free() > 0) {
                    inventory::read_waitlist(&tx, quota, before.terms, inventory::SERVED_BESIDES).await?;
                    quota.waitlist.retain(|waiting| waiting.user != user);
                }
                let allocation = allocate(without, &[]);
                change_set.promote(&allocation.inventory, &allocation.promotions);
                change_set.count(before, &allocation.inventory, !leavings.is_empty());
            }
            change_set.write(&tx).await?;
            // Entries of events that were not locked need another chunk too.
            Ok(open.len() as i64 == CHUNK_OF_ACCOUNT || open.len() > ended)
        })
        .await
}

async fn next_of(tx: &Tx, user: UserId) -> Result<Vec<Open>, DbError> {
    let sql = "SELECT id, event_id, quota_id, user_id, quantity FROM waitlist_entry
               WHERE user_id = $1 AND status = 'WAITING' ORDER BY event_id, id LIMIT $2";
    db::all(tx, sql, [user.into(), CHUNK_OF_ACCOUNT.into()]).await
}
