//! Ending waitlist entries that can no longer lead to tickets: for slots that have begun, and of accounts that may not
//! book.
//! Not here: the waitlist of an event that was called off (`call_off`), and the notices.

use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;

use super::allocate::{Inventory, allocate};
use super::change_set::{ChangeSet, Leaving};
use super::chunks::InChunks;
use super::inventory::{self, Part};
use crate::account::administer::EndWaitlistEntries;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::id::{EntryId, EventId, QuotaId, TicketTypeId, UserId};
use crate::queue::claim::{self, Held};
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
    ticket_type_id: TicketTypeId,
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

/// Ends the entries for all slots that have begun. Returns their number.
pub async fn close_begun(ctx: &Ctx) -> Result<u64, DbError> {
    let mut all = 0;
    loop {
        // An event begins with its first slot, so the other events need no look at their slots.
        let sql = "SELECT q.event_id FROM quota q JOIN event e ON e.id = q.event_id
                   WHERE q.waiting > 0 AND e.starts_at <= $1 AND e.status <> 'CANCELLED'
                   AND (SELECT true FROM ticket_type t JOIN slot s ON s.id = t.slot_id
                        JOIN waitlist_entry w ON w.ticket_type_id = t.id AND w.status = 'WAITING'
                        WHERE t.quota_id = q.id AND s.starts_at <= $1 LIMIT 1) IS NOT NULL
                   LIMIT 100";
        let begun: Vec<Begun> = db::all(ctx.db.read(), sql, [ctx.now().into()]).await?;
        let mut ended = 0;
        for Begun { event_id } in begun {
            loop {
                // One event that fails must not keep the others open.
                let some = chunk_of_event(ctx, event_id).await.unwrap_or_else(|error| {
                    tracing::error!(%error, event = %event_id, "cannot close a waitlist");
                    0
                });
                ended += some;
                if some == 0 {
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
            let now = ctx.now();
            let parts = parts(&next_begun(&tx, id, now).await?);
            let mut inventories = inventory::lock(&tx, &parts, &[], now).await?;
            let is_closed = |inventory: &Inventory| inventory.status != EventStatus::Cancelled;
            let Some(before) = inventories.remove(&id).filter(is_closed) else { return Ok(0) };
            // Read again under the lock, so that no other transaction ends them.
            let open = next_begun(&tx, id, now).await?;
            let leavings = leavings(&before, &open, LeaveReason::EventOver);
            let mut after = before.clone();
            let mut change_set = ChangeSet::new(ctx);
            change_set.leave(&mut after, &leavings, None);
            change_set.count(&before, &after, !leavings.is_empty());
            change_set.write(&tx).await?;
            Ok(leavings.len() as u64)
        })
        .await
}

/// Reads the next entries of an event for slots that have begun.
async fn next_begun(tx: &Tx, event: EventId, now: Timestamp) -> Result<Vec<Open>, DbError> {
    let sql = "SELECT w.id, w.event_id, w.ticket_type_id, w.quota_id, w.user_id, w.quantity
               FROM slot s JOIN ticket_type t ON t.slot_id = s.id
               JOIN waitlist_entry w ON w.ticket_type_id = t.id AND w.status = 'WAITING'
               WHERE s.event_id = $1 AND s.starts_at <= $2 LIMIT $3";
    db::all(tx, sql, [event.into(), now.into(), CHUNK.into()]).await
}

/// Returns the parts of the inventories that these entries wait for.
fn parts(open: &[Open]) -> Vec<Part> {
    open.iter().map(|entry| Part::Type(entry.event_id, entry.ticket_type_id)).collect()
}

/// Returns the ends of those entries whose quotas are in the inventory.
fn leavings(inventory: &Inventory, open: &[Open], reason: LeaveReason) -> Vec<Leaving> {
    let is_read = |entry: &&Open| inventory.quotas.iter().any(|quota| quota.id == entry.quota_id);
    open.iter().filter(is_read).map(|entry| entry.leaving(reason)).collect()
}

/// Returns the handler of the jobs for accounts that may not book any more; it stops once `stop` is cancelled.
pub fn handler(ctx: Ctx, stop: CancellationToken) -> InChunks<EndWaitlistEntries> {
    InChunks::new(ctx, stop, |ctx, args: EndWaitlistEntries, held| {
        Box::pin(async move { chunk_of_account(&ctx, args.user, Some(held)).await })
    })
}

/// Ends the next entries of an account; entries behind them may be promoted at once. Returns true if there may be more.
pub async fn chunk_of_account(ctx: &Ctx, user: UserId, held: Option<Held>) -> Result<bool, DbError> {
    ctx.db
        .write(Priority::Worker, |tx| async move {
            let parts = parts(&next_of(&tx, user).await?);
            let inventories = inventory::lock(&tx, &parts, &[], ctx.now()).await?;
            // Read again under the lock, so that no other transaction ends or promotes them.
            let open = next_of(&tx, user).await?;
            if let Some(held) = held {
                let at = open.last().map(|entry| entry.event_id);
                if !claim::advance(&tx, held, &serde_json::json!(at).to_string()).await? {
                    return Ok(false);
                }
            }
            let (mut change_set, mut ended) = (ChangeSet::new(ctx), 0);
            for before in inventories.values() {
                let leavings = leavings(before, &open, LeaveReason::AccountClosed);
                ended += leavings.len();
                let mut without = before.clone();
                change_set.leave(&mut without, &leavings, None);
                for id in without.quotas_where(|one| one.waiting > 0 && one.free() > 0) {
                    inventory::read_waitlist(&tx, &mut without, id, inventory::SERVED_BESIDES).await?;
                    if let Some(quota) = without.quota_mut(id) {
                        quota.waitlist.retain(|waiting| waiting.user != user);
                    }
                }
                let allocation = allocate(without, &[]);
                change_set.promote(&allocation.inventory, &allocation.promotions);
                change_set.count(before, &allocation.inventory, !leavings.is_empty());
            }
            change_set.write(&tx).await?;
            // Entries of quotas that were not locked need another chunk too.
            Ok(open.len() as i64 == CHUNK_OF_ACCOUNT || open.len() > ended)
        })
        .await
}

async fn next_of(tx: &Tx, user: UserId) -> Result<Vec<Open>, DbError> {
    let sql = "SELECT id, event_id, ticket_type_id, quota_id, user_id, quantity FROM waitlist_entry
               WHERE user_id = $1 AND status = 'WAITING' AND NOT EXISTS
                   (SELECT 1 FROM users u WHERE u.id = $1 AND u.disabled_at IS NULL AND u.role = 'CUSTOMER')
               ORDER BY event_id, id LIMIT $2";
    db::all(tx, sql, [user.into(), CHUNK_OF_ACCOUNT.into()]).await
}
