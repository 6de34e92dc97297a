//! Reading an event's inventory: the lock first, then, in later statements, the rows a decision rests on.
//! Not here: the decision (`allocate`) and its writing (`change_set`).

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::allocate::{Inventory, Quota, TicketType, Waiting};
use crate::clock::Timestamp;
use crate::db::{self, DbError, Tx, record};
use crate::event::bookable::{has_begun, type_is_ahead};
use crate::id::{EntryId, EventId, OrganizerId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::EventStatus;

/// The most entries of a waitlist that one transaction promotes if promoting is its purpose: some 50 ms of the writer.
pub const SERVED_MAX: i64 = 200;

/// The most entries that a transaction with another purpose promotes, on finding a waitlist that a job is promoting.
pub(super) const SERVED_BESIDES: i64 = 20;

/// Condition of the entries `w` of quota `$1` that are in turn, `$2` being the event's terms and `$3` the quota's
/// capacity. Only they are promoted, and free tickets belong to them. Left out are entries for more tickets at once
/// than the quota has, entries of customers who may not book any more or have not agreed to the present terms, and
/// entries set aside. Beside it stands the condition that the slot has not begun (`event::bookable`).
const IN_TURN: &str = "w.quota_id = $1 AND w.status = 'WAITING' AND w.terms = $2
    AND (w.accepts_part = 1 OR w.quantity <= $3)
    AND EXISTS (SELECT 1 FROM users u WHERE u.id = w.user_id AND u.disabled_at IS NULL AND u.role = 'CUSTOMER')";

/// Part of an event's inventory that a transaction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All ticket types.
    Whole(EventId),
    /// One ticket type. A ticket type of another event is not found.
    Type(EventId, TicketTypeId),
    /// The only ticket type, or any one of several.
    Any(EventId),
}

impl Part {
    fn event(self) -> EventId {
        let (Self::Whole(event) | Self::Type(event, _) | Self::Any(event)) = self;
        event
    }
}

record! {
    /// Event to lock, or to read as a whole.
    struct EventKey {
        event_id: EventId,
    }
}

record! {
    /// Ticket type of an event to be read; without an id, any of the event.
    struct TypeKey {
        event_id: EventId,
        ticket_type_id: Option<TicketTypeId>,
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

/// Ticket type with its event, slot and quota; the event alone if it has no such ticket type.
#[derive(Debug, FromQueryResult)]
struct Row {
    event_id: EventId,
    organizer_id: OrganizerId,
    status: EventStatus,
    currency: String,
    has_several: i64,
    ticket_type_id: Option<TicketTypeId>,
    slot_id: Option<SlotId>,
    starts_at: Option<Timestamp>,
    quota_id: Option<QuotaId>,
    price_minor: Option<i64>,
    capacity: Option<i64>,
    sold: Option<i64>,
    held: Option<i64>,
    open: Option<i64>,
    waiting: Option<i64>,
}

impl Row {
    fn inventory(&self, root: &Root, now: Timestamp) -> Inventory {
        Inventory {
            event: self.event_id,
            organizer: self.organizer_id,
            status: self.status,
            read_at: now,
            currency: self.currency.clone(),
            revision: root.revision,
            waitlist_tail: root.waitlist_tail,
            terms: root.terms,
            only_type: self.ticket_type_id.filter(|_| self.has_several == 0),
            ticket_types: Vec::new(),
            quotas: Vec::new(),
            waits: HashMap::new(),
        }
    }

    fn ticket_type(&self, now: Timestamp) -> Option<TicketType> {
        Some(TicketType {
            id: self.ticket_type_id?,
            slot: self.slot_id?,
            quota: self.quota_id?,
            price_minor: self.price_minor?,
            begun: has_begun(self.starts_at?, now),
        })
    }

    fn quota(&self) -> Option<Quota> {
        let (waiting, open_as_read) = (self.waiting?, self.open?);
        Some(Quota {
            id: self.quota_id?,
            capacity: self.capacity?,
            sold: self.sold?,
            held: self.held?,
            waiting,
            open_as_read,
            waitlist: Vec::new(),
            // If newcomers can book, no entry is in turn. If they cannot, reading the waitlist shows whether one is.
            waitlist_continues: waiting > 0 && open_as_read == 0,
        })
    }
}

/// Columns of an entry `w`, as a [`WaitingRow`].
const ENTRY: &str = "w.id, w.user_id, w.event_id, w.ticket_type_id, w.quota_id, w.quantity, w.asked, w.accepts_part,
    w.position_key, w.terms";

#[derive(Debug, FromQueryResult)]
struct WaitingRow {
    id: EntryId,
    user_id: UserId,
    event_id: EventId,
    ticket_type_id: TicketTypeId,
    quota_id: QuotaId,
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
            quota: self.quota_id,
            quantity: self.quantity,
            asked: self.asked,
            accepts_part: self.accepts_part != 0,
            position_key: self.position_key,
            terms: self.terms,
        }
    }
}

/// Locks the stock of the events of these parts in key order and reads the parts, with the open entries of `users`.
/// Events that do not exist are missing from the result.
pub async fn lock(
    tx: &Tx,
    parts: &[Part],
    users: &[(UserId, EventId)],
    now: Timestamp,
) -> Result<HashMap<EventId, Inventory>, DbError> {
    let mut keys: Vec<EventKey> = parts.iter().map(|part| EventKey { event_id: part.event() }).collect();
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
    let mut inventories: HashMap<EventId, Inventory> = HashMap::new();
    for row in read(tx, parts).await? {
        let Some(root) = roots.iter().find(|root| root.event_id == row.event_id) else { continue };
        let inventory = inventories.entry(row.event_id).or_insert_with(|| row.inventory(root, now));
        inventory.only_type = inventory.only_type.or(row.ticket_type_id.filter(|_| row.has_several == 0));
        add(inventory, &row);
    }
    read_open(tx, users, &mut inventories).await?;
    for inventory in inventories.values_mut() {
        for quota in inventory.quotas_where(|quota| quota.waitlist_continues && quota.free() > 0) {
            read_waitlist(tx, inventory, quota, SERVED_BESIDES).await?;
        }
    }
    Ok(inventories)
}

/// Reads the ticket types of these parts. The rows read do not depend on the number of other ticket types.
async fn read(c: &impl ConnectionTrait, parts: &[Part]) -> Result<Vec<Row>, DbError> {
    let several = "SELECT x.id FROM ticket_type x WHERE x.event_id = e.id LIMIT 1";
    let columns = format!(
        "SELECT e.id AS event_id, e.organizer_id, e.status, e.currency,
         CAST(CASE WHEN ({several} OFFSET 1) IS NULL THEN 0 ELSE 1 END AS bigint) AS has_several,
         t.id AS ticket_type_id, t.slot_id, s.starts_at, t.quota_id, t.price_minor,
         q.capacity, q.sold, q.held, q.open, q.waiting FROM {{records}} JOIN event e ON e.id = r.event_id"
    );
    let rest = "LEFT JOIN slot s ON s.id = t.slot_id LEFT JOIN quota q ON q.id = t.quota_id";
    let (mut whole, mut types) = (Vec::new(), Vec::new());
    for part in parts {
        let event_id = part.event();
        match *part {
            Part::Whole(_) => whole.push(EventKey { event_id }),
            Part::Type(_, id) => types.push(TypeKey { event_id, ticket_type_id: Some(id) }),
            Part::Any(_) => types.push(TypeKey { event_id, ticket_type_id: None }),
        }
    }
    whole.sort_by_key(|key| key.event_id);
    whole.dedup_by_key(|key| key.event_id);
    types.sort_by_key(|key| (key.event_id, key.ticket_type_id));
    types.dedup_by_key(|key| (key.event_id, key.ticket_type_id));
    let order = "ORDER BY e.id, t.position, t.id";
    let sql = format!("{columns} LEFT JOIN ticket_type t ON t.event_id = e.id {rest} {order}");
    let mut rows: Vec<Row> = db::select_by(c, &sql, &whole, []).await?;
    let sql = format!(
        "{columns} LEFT JOIN ticket_type t ON t.id = COALESCE(r.ticket_type_id, ({several})) AND t.event_id = e.id
         {rest} {order}"
    );
    rows.extend(db::select_by(c, &sql, &types, []).await?);
    Ok(rows)
}

/// Adds the ticket type of a row and its quota, unless the inventory has them.
fn add(inventory: &mut Inventory, row: &Row) {
    if let Some(ticket_type) = row.ticket_type(inventory.read_at)
        && inventory.ticket_type(ticket_type.id).is_none()
    {
        inventory.ticket_types.push(ticket_type);
    }
    if let Some(quota) = row.quota()
        && inventory.quota_mut(quota.id).is_none()
    {
        inventory.quotas.push(quota);
    }
}

/// Reads the open entries of users at the events of the inventories.
async fn read_open(
    tx: &Tx,
    users: &[(UserId, EventId)],
    inventories: &mut HashMap<EventId, Inventory>,
) -> Result<(), DbError> {
    let open: Vec<OpenKey> =
        users.iter().map(|(user_id, event_id)| OpenKey { user_id: *user_id, event_id: *event_id }).collect();
    let sql = format!(
        "SELECT {ENTRY} FROM {{records}} JOIN waitlist_entry w
         ON w.user_id = r.user_id AND w.event_id = r.event_id AND w.status = 'WAITING'"
    );
    let rows: Vec<WaitingRow> = db::select_by(tx, &sql, &open, []).await?;
    for row in rows {
        if let Some(inventory) = inventories.get_mut(&row.event_id) {
            inventory.waits.entry((row.user_id, row.ticket_type_id)).or_default().push(row.waiting());
        }
    }
    Ok(())
}

/// Reads the front of a quota's waitlist: as many entries as its free tickets could satisfy and one more, `most` at
/// most, with their ticket types. Must be called again if tickets become free within the transaction.
pub async fn read_waitlist(
    c: &impl ConnectionTrait,
    inventory: &mut Inventory,
    quota: QuotaId,
    most: i64,
) -> Result<(), DbError> {
    let (event, terms, now) = (inventory.event, inventory.terms, inventory.read_at);
    let Some(quota) = inventory.quota_mut(quota) else { return Ok(()) };
    let limit = (quota.free().max(0) + 1).min(most);
    // An entry for a slot that has begun is in turn no more; until it is ended (`close`), it is left out here.
    let sql = format!(
        "SELECT {ENTRY} FROM waitlist_entry w WHERE {IN_TURN} AND {} ORDER BY w.position_key LIMIT $5",
        type_is_ahead("w.ticket_type_id", "$4")
    );
    let binds = [quota.id.into(), terms.into(), quota.capacity.into(), now.into(), (limit + 1).into()];
    let rows: Vec<WaitingRow> = db::all(c, &sql, binds).await?;
    quota.waitlist_continues = rows.len() as i64 > limit;
    quota.waitlist = rows.iter().take(limit as usize).map(WaitingRow::waiting).collect();
    let waited_for: Vec<TicketTypeId> = quota.waitlist.iter().map(|waiting| waiting.ticket_type).collect();
    let is_missing = |id: &TicketTypeId| inventory.ticket_type(*id).is_none();
    let missing: Vec<Part> = waited_for.into_iter().filter(is_missing).map(|id| Part::Type(event, id)).collect();
    for row in read(c, &missing).await? {
        add(inventory, &row);
    }
    Ok(())
}
