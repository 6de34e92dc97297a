//! Queries of events.
//! Not here: decisions; and counting tickets, which `booking` does under its lock.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{Error, search};
use crate::clock::Timestamp;
use crate::db::{self, DbError, Tx, record};
use crate::entity::{event, event_change, quota, slot, stock, ticket_type};
use crate::id::{ChangeId, EventId, SlotId, TicketTypeId};
use crate::status::{EventField, EventStatus};

/// Returns the event with this id, regardless of visibility.
pub async fn by_id(c: &impl ConnectionTrait, id: EventId) -> Result<Option<event::Model>, DbError> {
    Ok(event::Entity::find_by_id(id).one(c).await?)
}

/// Returns the event with its row locked until the transaction ends.
pub async fn lock(tx: &Tx, id: EventId) -> Result<Option<event::Model>, DbError> {
    let sql = format!("SELECT * FROM event WHERE id = $1{}", db::for_update(tx));
    db::one(tx, &sql, [id.into()]).await
}

/// Returns the event with this slug.
pub async fn by_slug(c: &impl ConnectionTrait, slug: &str) -> Result<Option<event::Model>, DbError> {
    if slug.contains('\0') {
        return Ok(None); // PostgreSQL cannot compare this at all
    }
    Ok(event::Entity::find().filter(event::Column::Slug.eq(slug)).one(c).await?)
}

/// Returns these events, in no order.
pub async fn by_ids(c: &impl ConnectionTrait, ids: &[EventId]) -> Result<Vec<event::Model>, DbError> {
    Ok(event::Entity::find().filter(event::Column::Id.is_in(ids.iter().copied())).all(c).await?)
}

record! {
    struct EventKey {
        event_id: EventId,
    }
}

/// Returns the first slots of each of these events, by time; with `after`, those behind that slot.
pub async fn slots(
    c: &impl ConnectionTrait,
    events: &[EventId],
    first: u64,
    after: Option<SlotId>,
) -> Result<Vec<slot::Model>, DbError> {
    parts_of(c, "slot", "starts_at", events, first, after.map(|after| after.0)).await
}

/// Returns the first rows of a table of parts for each of these events, in the order of a column and then of the ids.
async fn parts_of<T: FromQueryResult>(
    c: &impl ConnectionTrait,
    table: &str,
    order: &str,
    events: &[EventId],
    first: u64,
    after: Option<Uuid>,
) -> Result<Vec<T>, DbError> {
    let keys: Vec<EventKey> = events.iter().map(|event_id| EventKey { event_id: *event_id }).collect();
    let behind = match after {
        Some(_) => format!("JOIN {table} a ON a.id = $3 AND (p.{order}, p.id) > (a.{order}, a.id)"),
        None => String::new(),
    };
    let sql = format!(
        "SELECT * FROM (SELECT p.*, row_number() OVER (PARTITION BY p.event_id ORDER BY p.{order}, p.id) AS nth
                        FROM {{records}} JOIN {table} p ON p.event_id = r.event_id {behind}) n
         WHERE nth <= $2 ORDER BY event_id, nth"
    );
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    match after {
        Some(after) => db::select_by(c, &sql, &keys, [first.into(), after.into()]).await,
        None => db::select_by(c, &sql, &keys, [first.into()]).await,
    }
}

/// Returns the beginning of an event's last slot.
pub async fn last_start(c: &impl ConnectionTrait, event: EventId) -> Result<Option<Timestamp>, DbError> {
    let last = slot::Entity::find().filter(slot::Column::EventId.eq(event)).order_by_desc(slot::Column::StartsAt);
    Ok(last.one(c).await?.map(|slot| slot.starts_at))
}

/// Returns the slot of an event that has only one.
pub async fn only_slot(c: &impl ConnectionTrait, event: EventId) -> Result<Option<slot::Model>, DbError> {
    Ok(only(slot::Entity::find().filter(slot::Column::EventId.eq(event)).limit(2).all(c).await?))
}

/// Returns the ticket type of an event that has only one, with its slot.
pub async fn only_ticket_type(
    c: &impl ConnectionTrait,
    event: EventId,
) -> Result<Option<(ticket_type::Model, slot::Model)>, DbError> {
    let query = ticket_type::Entity::find().filter(ticket_type::Column::EventId.eq(event)).limit(2);
    let Some(only) = only(query.all(c).await?) else { return Ok(None) };
    let slot = slot::Entity::find_by_id(only.slot_id).one(c).await?;
    Ok(slot.map(|slot| (only, slot)))
}

fn only<T>(mut rows: Vec<T>) -> Option<T> {
    if rows.len() == 1 { rows.pop() } else { None }
}

/// Returns the first ticket types of each of these events, in page order; with `after`, those behind that ticket type.
pub async fn ticket_types(
    c: &impl ConnectionTrait,
    events: &[EventId],
    first: u64,
    after: Option<TicketTypeId>,
) -> Result<Vec<ticket_type::Model>, DbError> {
    parts_of(c, "ticket_type", "position", events, first, after.map(|after| after.0)).await
}

/// Returns the slots with these ids.
pub async fn slots_by_ids(c: &impl ConnectionTrait, ids: &[SlotId]) -> Result<Vec<slot::Model>, DbError> {
    Ok(slot::Entity::find().filter(slot::Column::Id.is_in(ids.iter().copied())).all(c).await?)
}

/// Returns the ticket types with these ids.
pub async fn ticket_types_by_ids(
    c: &impl ConnectionTrait,
    ids: &[TicketTypeId],
) -> Result<Vec<ticket_type::Model>, DbError> {
    Ok(ticket_type::Entity::find().filter(ticket_type::Column::Id.is_in(ids.iter().copied())).all(c).await?)
}

/// Writes a new event under the first of `slugs` that is free.
pub async fn insert(tx: &Tx, event: &event::Model, slugs: &[String]) -> Result<(), DbError> {
    for slug in slugs {
        let mut row: event::ActiveModel = event.clone().into_active_model();
        row.slug = Set(slug.clone());
        let taken = by_slug(tx, slug).await?.is_some();
        if !taken {
            event::Entity::insert(row).exec_without_returning(tx).await?;
            return Ok(());
        }
    }
    Err(sea_orm::DbErr::Custom("no free slug".into()).into())
}

/// Writes the parts of a simple event, and the stock row that locks its occupancy.
pub async fn insert_parts(
    tx: &Tx,
    slot: &slot::Model,
    quota: &quota::Model,
    ticket_type: &ticket_type::Model,
) -> Result<(), DbError> {
    slot::Entity::insert(slot.clone().into_active_model()).exec_without_returning(tx).await?;
    quota::Entity::insert(quota.clone().into_active_model()).exec_without_returning(tx).await?;
    ticket_type::Entity::insert(ticket_type.clone().into_active_model()).exec_without_returning(tx).await?;
    let root = stock::Model { event_id: slot.event_id, revision: 0, waitlist_tail: 0, next_expiry: None, terms: 0 };
    stock::Entity::insert(root.into_active_model()).exec_without_returning(tx).await?;
    Ok(())
}

/// Moves an event from one status to another. Refused if it is no longer in the first.
pub async fn change_status(
    tx: &Tx,
    id: EventId,
    from: EventStatus,
    to: EventStatus,
    now: Timestamp,
) -> Result<(), Error> {
    debug_assert!(from.may_become(to));
    let sql = "UPDATE event SET status = $1, updated_at = $2,
               published_at = CASE WHEN $1 = 'PUBLISHED' THEN $2 ELSE published_at END
               WHERE id = $3 AND status = $4";
    match db::run(tx, sql, [to.word().into(), now.into(), id.into(), from.word().into()]).await? {
        1 => Ok(search::list(tx, &[id], to == EventStatus::Published).await?),
        _ => Err(Error::InvalidTransition(from)),
    }
}

/// Gives an event new terms, under the lock of its stock. Open waitlist entries agreed to other terms, so none is in
/// turn until its customer agrees, and all free tickets are open. Returns the new revision, or `None` if no entry
/// waits.
pub async fn renew_terms(tx: &Tx, id: EventId) -> Result<Option<i64>, DbError> {
    let sql = "UPDATE quota SET open = capacity - sold - held WHERE event_id = $1 AND waiting > 0";
    if db::run(tx, sql, [id.into()]).await? == 0 {
        return Ok(None);
    }
    // Customers of entries that were set aside have to agree too.
    let sql = "UPDATE waitlist_entry SET terms = (SELECT s.terms FROM stock s WHERE s.event_id = $1) WHERE terms = -1
               AND status = 'WAITING' AND quota_id IN (SELECT q.id FROM quota q WHERE q.event_id = $1)";
    db::run(tx, sql, [id.into()]).await?;
    let sql = "UPDATE stock SET terms = terms + 1, revision = revision + 1 WHERE event_id = $1 RETURNING revision AS n";
    Ok(Some(db::number(tx, sql, [id.into()]).await?))
}

record! {
    /// One field changed by an update.
    pub struct Change {
        /// Id of the update.
        id: ChangeId,
        /// Event that was updated.
        event_id: EventId,
        /// Word of the changed field.
        field: &'static str,
        /// Value before the update.
        old_value: String,
        /// Value after the update.
        new_value: String,
    }
}

/// Records the changes of an update.
pub async fn insert_changes(tx: &Tx, changes: &[Change]) -> Result<(), DbError> {
    db::insert(tx, "event_change", changes, "").await?;
    Ok(())
}

/// Returns the changes recorded for these updates.
pub async fn changes(c: &impl ConnectionTrait, ids: &[ChangeId]) -> Result<Vec<event_change::Model>, DbError> {
    Ok(event_change::Entity::find().filter(event_change::Column::Id.is_in(ids.iter().copied())).all(c).await?)
}

/// Returns the field for the word it is stored as.
pub fn field(word: &str) -> Option<EventField> {
    EventField::ALL.iter().copied().find(|field| field.word() == word)
}
