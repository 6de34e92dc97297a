//! Reading an event's inventory: the lock first, then, in later statements, the rows a decision rests on.
//! Not here: the decision (`allocate`) and its writing (`change_set`).

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::allocate::{Inventory, Quota, TicketType, Waiting};
use crate::clock::Timestamp;
use crate::db::{self, DbError, Tx, record};
use crate::id::{EntryId, EventId, OrganizerId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::EventStatus;

/// The most entries of a waitlist that one transaction promotes if promoting is its purpose: some 50 ms of the writer.
pub const SERVED_MAX: i64 = 200;

/// The most entries that a transaction with another purpose promotes, on finding a waitlist that a job is promoting.
pub(super) const SERVED_BESIDES: i64 = 20;

/// Condition of the entries `w` of quota `$1` that are in turn, `$2` being the event's terms and `$3` the quota's
/// capacity. Only they are promoted, and free tickets belong to them. Left out are entries for more tickets at once
/// than the quota has, entries of customers who may not book any more or have not agreed to the present terms, and
/// entries set aside.
const IN_TURN: &str = "w.quota_id = $1 AND w.status = 'WAITING' AND w.terms = $2
    AND (w.accepts_part = 1 OR w.quantity <= $3)
    AND EXISTS (SELECT 1 FROM users u WHERE u.id = w.user_id AND u.disabled_at IS NULL AND u.role = 'CUSTOMER')";

record! {
    /// Key of an event to be read.
    struct EventKey {
        event_id: EventId,
    }
}

record! {
    /// Key of a user's possible open entries for an event.
    struct OpenKey {
        user_id: UserId,
        event_id: EventId,
    }
}

#[derive(Debug, FromQueryResult)]
struct Root {
    event_id: EventId,
    revision: i64,
    waitlist_tail: i64,
    terms: i64,
}

#[derive(Debug, FromQueryResult)]
struct TicketTypeRow {
    event_id: EventId,
    organizer_id: OrganizerId,
    status: EventStatus,
    currency: String,
    starts_at: Timestamp,
    ticket_type_id: TicketTypeId,
    slot_id: SlotId,
    quota_id: QuotaId,
    price_minor: i64,
    capacity: i64,
    sold: i64,
    held: i64,
    open: i64,
    waiting: i64,
}

#[derive(Debug, FromQueryResult)]
struct WaitingRow {
    id: EntryId,
    user_id: UserId,
    event_id: EventId,
    ticket_type_id: TicketTypeId,
    quantity: i64,
    asked: i64,
    accepts_part: i64,
    position_key: i64,
    terms: i64,
}

impl WaitingRow {
    fn waiting(&self) -> Waiting {
        Waiting {
            entry: self.id,
            user: self.user_id,
            ticket_type: self.ticket_type_id,
            quantity: self.quantity,
            asked: self.asked,
            accepts_part: self.accepts_part != 0,
            position_key: self.position_key,
            terms: self.terms,
        }
    }
}

/// Locks the stock of these events in key order and reads their inventories, with the open entries of `users`. Events
/// that do not exist are missing from the result.
pub async fn lock(
    tx: &Tx,
    events: &[EventId],
    users: &[(UserId, EventId)],
    now: Timestamp,
) -> Result<HashMap<EventId, Inventory>, DbError> {
    let mut keys: Vec<EventKey> = events.iter().map(|event_id| EventKey { event_id: *event_id }).collect();
    keys.sort_by_key(|key| key.event_id);
    keys.dedup_by_key(|key| key.event_id);
    let lock = match db::for_update(tx) {
        "" => "",
        _ => " FOR NO KEY UPDATE OF s",
    };
    let sql = format!(
        "SELECT s.event_id, s.revision, s.waitlist_tail, s.terms FROM {{records}} JOIN stock s ON s.event_id = r.event_id
         ORDER BY s.event_id{lock}"
    );
    let roots: Vec<Root> = db::select_by(tx, &sql, &keys, []).await?;
    // From here on no other transaction changes the occupancy of these events.
    let mut inventories = read(tx, &keys, roots, now).await?;
    let open: Vec<OpenKey> =
        users.iter().map(|(user_id, event_id)| OpenKey { user_id: *user_id, event_id: *event_id }).collect();
    let sql =
        "SELECT w.id, w.user_id, w.event_id, w.ticket_type_id, w.quantity, w.asked, w.accepts_part, w.position_key, w.terms
               FROM {records} JOIN waitlist_entry w
               ON w.user_id = r.user_id AND w.event_id = r.event_id AND w.status = 'WAITING'";
    let rows: Vec<WaitingRow> = db::select_by(tx, sql, &open, []).await?;
    for row in rows {
        if let Some(inventory) = inventories.get_mut(&row.event_id) {
            inventory.waits.entry((row.user_id, row.ticket_type_id)).or_default().push(row.waiting());
        }
    }
    for Inventory { quotas, terms, .. } in inventories.values_mut() {
        for quota in quotas.iter_mut().filter(|one| one.waitlist_continues && one.free() > 0) {
            read_waitlist(tx, quota, *terms, SERVED_BESIDES).await?;
        }
    }
    Ok(inventories)
}

async fn read(
    c: &impl ConnectionTrait,
    keys: &[EventKey],
    roots: Vec<Root>,
    now: Timestamp,
) -> Result<HashMap<EventId, Inventory>, DbError> {
    let sql =
        "SELECT e.id AS event_id, e.organizer_id, e.status, e.currency, e.starts_at, t.id AS ticket_type_id, t.slot_id,
               t.quota_id, t.price_minor, q.capacity, q.sold, q.held, q.open, q.waiting
               FROM {records} JOIN event e ON e.id = r.event_id JOIN ticket_type t ON t.event_id = e.id
               JOIN quota q ON q.id = t.quota_id ORDER BY e.id, t.position, t.id";
    let rows: Vec<TicketTypeRow> = db::select_by(c, sql, keys, []).await?;
    let mut roots: HashMap<EventId, Root> = roots.into_iter().map(|root| (root.event_id, root)).collect();
    let mut inventories: HashMap<EventId, Inventory> = HashMap::new();
    for row in rows {
        if let Some(root) = roots.remove(&row.event_id) {
            let inventory = Inventory {
                event: row.event_id,
                organizer: row.organizer_id,
                status: row.status,
                begun: row.starts_at <= now,
                currency: row.currency,
                revision: root.revision,
                waitlist_tail: root.waitlist_tail,
                terms: root.terms,
                ticket_types: Vec::new(),
                quotas: Vec::new(),
                waits: HashMap::new(),
            };
            inventories.insert(row.event_id, inventory);
        }
        let Some(inventory) = inventories.get_mut(&row.event_id) else { continue };
        inventory.ticket_types.push(TicketType {
            id: row.ticket_type_id,
            slot: row.slot_id,
            quota: row.quota_id,
            price_minor: row.price_minor,
        });
        if !inventory.quotas.iter().any(|one| one.id == row.quota_id) {
            inventory.quotas.push(Quota {
                id: row.quota_id,
                capacity: row.capacity,
                sold: row.sold,
                held: row.held,
                waiting: row.waiting,
                open_as_read: row.open,
                waitlist: Vec::new(),
                // If newcomers can book, no entry is in turn. If they cannot, reading the waitlist shows whether one
                // is.
                waitlist_continues: row.waiting > 0 && row.open == 0,
            });
        }
    }
    Ok(inventories)
}

/// Reads the front of a quota's waitlist: as many entries as its free tickets could satisfy and one more, `most` at
/// most. Must be called again if tickets become free within the transaction.
pub async fn read_waitlist(c: &impl ConnectionTrait, quota: &mut Quota, terms: i64, most: i64) -> Result<(), DbError> {
    let limit = (quota.free().max(0) + 1).min(most);
    let sql = format!(
        "SELECT w.id, w.user_id, w.event_id, w.ticket_type_id, w.quantity, w.asked, w.accepts_part, w.position_key, w.terms
         FROM waitlist_entry w WHERE {IN_TURN} ORDER BY w.position_key LIMIT $4"
    );
    let binds = [quota.id.into(), terms.into(), quota.capacity.into(), (limit + 1).into()];
    let rows: Vec<WaitingRow> = db::all(c, &sql, binds).await?;
    quota.waitlist_continues = rows.len() as i64 > limit;
    quota.waitlist = rows.iter().take(limit as usize).map(WaitingRow::waiting).collect();
    Ok(())
}
