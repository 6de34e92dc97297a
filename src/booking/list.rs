//! Look-ups of bookings and waitlist entries, and lists of them, paged by key.
//! Not here: visibility; the callers ask the policy with the row in hand or restrict the list.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait, Select,
};

use crate::access::Action;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, record};
use crate::entity::{booking, booking_item, event as events, waitlist_entry};
use crate::event;
use crate::id::{BookingId, EntryId, EventId, QuotaId, UserId};
use crate::page::{COUNT_MAX, Count, Page, Paging};
use crate::status::BookingStatus;

/// Owner of the bookings of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookingScope {
    /// Bookings of this customer.
    Customer(UserId),
    /// Bookings of this event.
    Event(EventId),
}

/// Conditions on the bookings of a list; all given ones must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Bookings in this status.
    pub status: Option<BookingStatus>,
    /// Bookings of this event.
    pub event: Option<EventId>,
    /// Bookings of events that are not over at this moment (true), or that are over (false).
    pub upcoming: Option<(bool, Timestamp)>,
}

fn bookings_of(whose: BookingScope, filter: Filter) -> Select<booking::Entity> {
    let scope = match whose {
        BookingScope::Customer(user) => booking::Column::UserId.eq(user),
        BookingScope::Event(event) => booking::Column::EventId.eq(event),
    };
    let status = filter.status.map(|status| booking::Column::Status.eq(status));
    let event = filter.event.map(|event| booking::Column::EventId.eq(event));
    // A subquery per booking, by the event's key: a customer has few bookings, and there are many events.
    let when = filter.upcoming.map(|(upcoming, now)| {
        let ends_at = Expr::col((events::Entity, events::Column::EndsAt));
        let of_booking =
            Expr::col((events::Entity, events::Column::Id)).equals((booking::Entity, booking::Column::EventId));
        let mut event = Query::select();
        event.expr(Expr::val(1)).from(events::Entity).and_where(of_booking);
        event.and_where(if upcoming { ends_at.gt(now) } else { ends_at.lte(now) });
        Expr::exists(event)
    });
    booking::Entity::find().filter(Condition::all().add(scope).add_option(status).add_option(event).add_option(when))
}

/// One page of bookings, newest first.
pub async fn bookings(
    c: &impl ConnectionTrait,
    whose: BookingScope,
    filter: Filter,
    paging: &Paging<BookingId>,
) -> Result<Page<booking::Model>, DbError> {
    let mut cursor = bookings_of(whose, filter).cursor_by(booking::Column::Id);
    cursor.desc();
    paging.run(cursor, c).await
}

/// Counts the bookings on all pages, up to [`COUNT_MAX`].
pub async fn count_bookings(c: &impl ConnectionTrait, whose: BookingScope, filter: Filter) -> Result<Count, DbError> {
    let limit = COUNT_MAX as u64 + 1;
    let counted = bookings_of(whose, filter).select_only().column(booking::Column::Id).limit(limit).into_query();
    let query = Query::select().expr_as(Expr::cust("count(*)"), "n").from_subquery(counted, "t").to_owned();
    let row = c.query_one_raw(c.get_database_backend().build(&query)).await?;
    Ok(Count::of(row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0)))
}

/// Key by which a booking is looked up.
#[derive(Debug, Clone)]
pub enum BookingKey {
    /// Id of the booking.
    Id(BookingId),
    /// Human reference of the booking, in upper or lower case.
    Reference(String),
}

/// Returns a booking if the actor may see it: its customer, its organizer and administrators may. For any other actor
/// the result is `None`, the same as for a booking that does not exist.
pub async fn visible(ctx: &Ctx, which: BookingKey) -> Result<Option<booking::Model>, DbError> {
    let query = match which {
        BookingKey::Id(id) => booking::Entity::find_by_id(id),
        BookingKey::Reference(text) => {
            if !text.trim().chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') {
                return Ok(None); // PostgreSQL cannot compare some texts at all
            }
            booking::Entity::find().filter(booking::Column::Reference.eq(text.trim().to_ascii_uppercase()))
        }
    };
    let Some(found) = query.one(ctx.db.read()).await? else { return Ok(None) };
    let Some(event) = event::store::by_id(ctx.db.read(), found.event_id).await? else { return Ok(None) };
    let action = Action::BookingOf { customer: found.user_id, organizer: event.organizer_id };
    Ok(ctx.allow(action).is_ok().then_some(found))
}

/// Returns a waitlist entry if the actor may see it, by the same rule.
pub async fn visible_entry(ctx: &Ctx, id: EntryId) -> Result<Option<waitlist_entry::Model>, DbError> {
    let Some(found) = waitlist_entry::Entity::find_by_id(id).one(ctx.db.read()).await? else { return Ok(None) };
    let Some(event) = event::store::by_id(ctx.db.read(), found.event_id).await? else { return Ok(None) };
    let action = Action::BookingOf { customer: found.user_id, organizer: event.organizer_id };
    Ok(ctx.allow(action).is_ok().then_some(found))
}

/// Returns these bookings, in no order.
pub async fn by_ids(c: &impl ConnectionTrait, ids: &[BookingId]) -> Result<Vec<booking::Model>, DbError> {
    Ok(booking::Entity::find().filter(booking::Column::Id.is_in(ids.iter().copied())).all(c).await?)
}

/// Returns the items of these bookings.
pub async fn items(c: &impl ConnectionTrait, ids: &[BookingId]) -> Result<Vec<booking_item::Model>, DbError> {
    let query = booking_item::Entity::find().filter(booking_item::Column::BookingId.is_in(ids.iter().copied()));
    Ok(query.all(c).await?)
}

/// Returns these waitlist entries, in no order.
pub async fn entries_by_ids(c: &impl ConnectionTrait, ids: &[EntryId]) -> Result<Vec<waitlist_entry::Model>, DbError> {
    let query = waitlist_entry::Entity::find().filter(waitlist_entry::Column::Id.is_in(ids.iter().copied()));
    Ok(query.all(c).await?)
}

/// Returns one page of a customer's waitlist entries, newest first.
pub async fn entries_of(
    c: &impl ConnectionTrait,
    user: UserId,
    paging: &Paging<EntryId>,
) -> Result<Page<waitlist_entry::Model>, DbError> {
    let query = waitlist_entry::Entity::find().filter(waitlist_entry::Column::UserId.eq(user));
    let mut cursor = query.cursor_by(waitlist_entry::Column::Id);
    cursor.desc();
    paging.run(cursor, c).await
}

/// Returns one page of an event's waitlist, front first.
pub async fn waitlist_of(
    c: &impl ConnectionTrait,
    event: EventId,
    paging: &Paging<(i64, EntryId)>,
) -> Result<Page<waitlist_entry::Model>, DbError> {
    // A literal, not a bind parameter, so that PostgreSQL can use the partial index on waiting entries.
    let waiting = Expr::cust("status = 'WAITING'");
    let query = waitlist_entry::Entity::find().filter(waitlist_entry::Column::EventId.eq(event)).filter(waiting);
    paging.run(query.cursor_by((waitlist_entry::Column::PositionKey, waitlist_entry::Column::Id)), c).await
}

record! {
    struct EntryKey {
        id: EntryId,
    }
}

/// The last exact position. Entries further back all have the next one, so that the cost of a position does not grow
/// with the waitlist.
pub const POSITION_MAX: i64 = 1_000;

/// Position of an entry in its waitlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Position {
    /// Id of the entry.
    pub id: EntryId,
    /// 1 for the front; `POSITION_MAX` + 1 for all entries further back.
    pub position: i64,
}

/// Returns the positions of these entries; entries that no longer wait are missing.
pub async fn positions(c: &impl ConnectionTrait, ids: &[EntryId]) -> Result<Vec<Position>, DbError> {
    let keys: Vec<EntryKey> = ids.iter().map(|id| EntryKey { id: *id }).collect();
    let sql = format!(
        "SELECT e.id, (SELECT count(*) FROM (SELECT 1 FROM waitlist_entry w WHERE w.quota_id = e.quota_id
                       AND w.status = 'WAITING' AND w.position_key < e.position_key LIMIT {POSITION_MAX}) ahead) + 1 AS position
         FROM {{records}} JOIN waitlist_entry e ON e.id = r.id WHERE e.status = 'WAITING'"
    );
    db::select_by(c, &sql, &keys, []).await
}

/// Open entry near the front of its event's waitlist, with its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Standing {
    /// Id of the entry.
    pub id: EntryId,
    /// Quota of the entry, which has a waitlist of its own.
    quota_id: QuotaId,
    /// Tickets still waited for.
    quantity: i64,
    /// Number of the terms the customer agreed to.
    terms: i64,
    /// 1 for the front of the waitlist.
    position: i64,
}

impl Standing {
    /// Returns the position in the quota's waitlist, 1 for the front.
    pub fn position(&self) -> i64 {
        self.position
    }
}

/// Returns the first [`POSITION_MAX`] open entries of an event, of all quotas together.
pub async fn front(c: &impl ConnectionTrait, event: EventId) -> Result<Vec<Standing>, DbError> {
    let sql = "SELECT id, quota_id, quantity, terms, CAST(0 AS bigint) AS position FROM waitlist_entry
               WHERE event_id = $1 AND status = 'WAITING' ORDER BY position_key LIMIT $2";
    let mut front: Vec<Standing> = db::all(c, sql, [event.into(), POSITION_MAX.into()]).await?;
    let mut ahead: HashMap<QuotaId, i64> = HashMap::new();
    for entry in &mut front {
        let ahead = ahead.entry(entry.quota_id).or_default();
        *ahead += 1;
        entry.position = *ahead;
    }
    Ok(front)
}

#[derive(Debug, Clone, FromQueryResult)]
struct PersonRow {
    user_id: UserId,
    tickets: i64,
}

/// Participant of an event.
#[derive(Debug, Clone, Copy)]
pub struct Participant {
    /// Account of the participant.
    pub user: UserId,
    /// Number of tickets the participant has.
    pub tickets: i64,
}

/// Returns one page of the users with tickets at an event, in user order, and true if there are more.
pub async fn participants(
    c: &impl ConnectionTrait,
    event: EventId,
    after: Option<UserId>,
    limit: u64,
) -> Result<(Vec<Participant>, bool), DbError> {
    let sql = "SELECT b.user_id, CAST(SUM(i.quantity) AS bigint) AS tickets
               FROM booking b JOIN booking_item i ON i.booking_id = b.id
               WHERE b.event_id = $1 AND b.status = 'CONFIRMED' AND b.user_id > $2
               GROUP BY b.user_id ORDER BY b.user_id LIMIT $3";
    let after = after.unwrap_or(UserId(uuid::Uuid::nil())); // before all users
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows: Vec<PersonRow> = db::all(c, sql, [event.into(), after.into(), (limit + 1).into()]).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    Ok((rows.into_iter().map(|row| Participant { user: row.user_id, tickets: row.tickets }).collect(), more))
}
