//! Reading an event's floor: lock first, then everything a decision rests on, in later statements.
//! Not here: the decision (`allocate`) and writing it (`settle`).

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::allocate::{Floor, Kind, Pool, Waiting};
use crate::clock::Micros;
use crate::db::{self, DbError, Tx, record};
use crate::id::{EntryId, EventId, OrganizerId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::EventStatus;

record! {
    /// An event to be read.
    struct EventKey {
        event_id: EventId,
    }
}

record! {
    /// A user's possible entry.
    struct OpenKey {
        user_id: UserId,
        event_id: EventId,
    }
}

#[derive(Debug, FromQueryResult)]
struct Root {
    event_id: EventId,
    revision: i64,
    line_tail: i64,
}

#[derive(Debug, FromQueryResult)]
struct KindRow {
    event_id: EventId,
    organizer_id: OrganizerId,
    status: EventStatus,
    starts_at: Micros,
    ticket_type_id: TicketTypeId,
    slot_id: SlotId,
    quota_id: QuotaId,
    price_minor: i64,
    capacity: i64,
    sold: i64,
    held: i64,
    somebody_waits: i64,
}

#[derive(Debug, FromQueryResult)]
struct WaitingRow {
    id: EntryId,
    user_id: UserId,
    event_id: EventId,
    ticket_type_id: TicketTypeId,
    quantity: i64,
    accepts_part: i64,
    line_no: i64,
}

impl WaitingRow {
    fn waiting(&self) -> Waiting {
        Waiting {
            entry: self.id,
            user: self.user_id,
            kind: self.ticket_type_id,
            quantity: self.quantity,
            accepts_part: self.accepts_part != 0,
            line_no: self.line_no,
        }
    }
}

/// Locks the stock of these events in key order and reads their floors; with the open entries of `users`.
/// Events that do not exist are missing from the answer.
pub async fn lock(
    tx: &Tx,
    events: &[EventId],
    users: &[(UserId, EventId)],
    now: Micros,
) -> Result<HashMap<EventId, Floor>, DbError> {
    let mut keys: Vec<EventKey> = events.iter().map(|event_id| EventKey { event_id: *event_id }).collect();
    keys.sort_by_key(|key| key.event_id);
    keys.dedup_by_key(|key| key.event_id);
    let lock = match db::for_update(tx) {
        "" => "",
        _ => " FOR NO KEY UPDATE OF s",
    };
    let sql = format!(
        "SELECT s.event_id, s.revision, s.line_tail FROM {{records}} JOIN stock s ON s.event_id = r.event_id
         ORDER BY s.event_id{lock}"
    );
    let roots: Vec<Root> = db::select_by(tx, &sql, &keys, []).await?;
    // From here on nobody else changes occupancy of these events.
    let mut floors = read(tx, &keys, roots, now).await?;
    let open: Vec<OpenKey> =
        users.iter().map(|(user_id, event_id)| OpenKey { user_id: *user_id, event_id: *event_id }).collect();
    let sql = "SELECT w.id, w.user_id, w.event_id, w.ticket_type_id, w.quantity, w.accepts_part, w.line_no
               FROM {records} JOIN waitlist_entry w
               ON w.user_id = r.user_id AND w.event_id = r.event_id AND w.status = 'WAITING'";
    let rows: Vec<WaitingRow> = db::select_by(tx, sql, &open, []).await?;
    for row in rows {
        if let Some(floor) = floors.get_mut(&row.event_id) {
            floor.open.insert((row.user_id, row.ticket_type_id), row.waiting());
        }
    }
    for Floor { pools, kinds, open, .. } in floors.values_mut() {
        for pool in pools.iter_mut().filter(|pool| pool.line_goes_on) {
            let is_here = |kind| kinds.iter().any(|own: &Kind| own.id == kind && own.quota == pool.id);
            let may_go_to_the_end = open.values().filter(|waiting| is_here(waiting.kind)).count();
            read_line(tx, pool, may_go_to_the_end).await?;
        }
    }
    Ok(floors)
}

async fn read(
    c: &impl ConnectionTrait,
    keys: &[EventKey],
    roots: Vec<Root>,
    now: Micros,
) -> Result<HashMap<EventId, Floor>, DbError> {
    let sql =
        "SELECT e.id AS event_id, e.organizer_id, e.status, e.starts_at, t.id AS ticket_type_id, t.slot_id, t.quota_id,
               t.price_minor, q.capacity, q.sold, q.held,
               (SELECT count(*) FROM (SELECT 1 FROM waitlist_entry w WHERE w.quota_id = q.id AND w.status = 'WAITING'
                                      AND (w.accepts_part = 1 OR w.quantity <= q.capacity) LIMIT 1) found) AS somebody_waits
               FROM {records} JOIN event e ON e.id = r.event_id JOIN ticket_type t ON t.event_id = e.id
               JOIN quota q ON q.id = t.quota_id ORDER BY e.id, t.position, t.id";
    let rows: Vec<KindRow> = db::select_by(c, sql, keys, []).await?;
    let mut roots: HashMap<EventId, Root> = roots.into_iter().map(|root| (root.event_id, root)).collect();
    let mut floors: HashMap<EventId, Floor> = HashMap::new();
    for row in rows {
        if let Some(root) = roots.remove(&row.event_id) {
            let floor = Floor {
                event: row.event_id,
                organizer: row.organizer_id,
                status: row.status,
                begun: row.starts_at <= now,
                revision: root.revision,
                line_tail: root.line_tail,
                kinds: Vec::new(),
                pools: Vec::new(),
                open: HashMap::new(),
            };
            floors.insert(row.event_id, floor);
        }
        let Some(floor) = floors.get_mut(&row.event_id) else { continue };
        floor.kinds.push(Kind {
            id: row.ticket_type_id,
            slot: row.slot_id,
            quota: row.quota_id,
            price_minor: row.price_minor,
        });
        if !floor.pools.iter().any(|pool| pool.id == row.quota_id) {
            floor.pools.push(Pool {
                id: row.quota_id,
                capacity: row.capacity,
                sold: row.sold,
                held: row.held,
                line: Vec::new(),
                line_goes_on: row.somebody_waits != 0,
            });
        }
    }
    Ok(floors)
}

/// Reads as much of a pool's line as its free places could serve, one entry more, and `beyond` more: as many as might
/// leave their place. Call again after places came free within the transaction. Left out is who wants more at once than
/// there are places at all, since the capacity was lowered: they keep their place, but nobody waits for them.
pub async fn read_line(c: &impl ConnectionTrait, pool: &mut Pool, beyond: usize) -> Result<(), DbError> {
    let limit = pool.free().max(0) + 1 + beyond as i64;
    let sql = "SELECT id, user_id, event_id, ticket_type_id, quantity, accepts_part, line_no FROM waitlist_entry
               WHERE quota_id = $1 AND status = 'WAITING' AND (accepts_part = 1 OR quantity <= $3)
               ORDER BY line_no LIMIT $2";
    let binds = [pool.id.into(), (limit + 1).into(), pool.capacity.into()];
    let rows: Vec<WaitingRow> = db::all(c, sql, binds).await?;
    pool.line_goes_on = rows.len() as i64 > limit;
    pool.line = rows.iter().take(limit as usize).map(WaitingRow::waiting).collect();
    Ok(())
}
