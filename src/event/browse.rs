//! Browsing: lists of events with filters and sort, paged by key.
//! Not here: who sees drafts is decided by the caller's scope; availability figures (`booking::availability`).
//!
//! A list is asked for its keys first, which an index answers by itself; only the events of the page are read.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};

use super::bookable::has_tickets;
use super::search::{self, Matches};
use super::{LENGTH_MAX, store};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, record};
use crate::entity::event;
use crate::id::{EventId, OrganizerId};
use crate::page::{COUNT_MAX, Count, Page, Paging};
use crate::status::EventStatus;

/// Whose list this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What everybody sees: published events that are not over.
    Catalog,
    /// Every event of an organizer, drafts included.
    Of(OrganizerId),
    /// Every event there is.
    All,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not over at this instant: they begin later, or still run.
    pub from: Option<Timestamp>,
    /// That begin at or after this.
    pub starting_from: Option<Timestamp>,
    /// That begin before this.
    pub until: Option<Timestamp>,
    /// Whose title or venue has these words, as [`search::asked`] makes them.
    pub words: Option<Vec<String>>,
    /// Where a newcomer can book at least one ticket now (true) or cannot (false).
    pub has_tickets: Option<bool>,
    /// With the cheapest ticket at a price of this range.
    pub price: Option<Price>,
    /// Whether the cheapest ticket costs nothing.
    pub free: Option<bool>,
    /// Of this organizer.
    pub organizer: Option<OrganizerId>,
    /// In this status.
    pub status: Option<EventStatus>,
}

/// A range of prices in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Code of the currency; events sold in another are left out.
    pub currency: &'static str,
    /// At least this much, in minor units.
    pub from: i64,
    /// At most this much.
    pub to: i64,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The next one first.
    StartsAtAsc,
    /// The farthest one first.
    StartsAtDesc,
    /// The newest publication first.
    PublishedAtDesc,
}

record! {
    struct Candidate {
        id: EventId,
    }
}

/// A list of events: its tables, its conditions and what is bound to them.
#[derive(Debug, Clone)]
pub struct List {
    tables: String,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl List {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn and(&mut self, column: &str, operator: &str, value: impl Into<Value>) {
        let bound = self.bind(value);
        self.conditions.push(format!("event.{column} {operator} {bound}"));
    }

    fn not_over_at(&mut self, at: Timestamp) {
        self.and("ends_at", ">", at);
        // Follows from the longest an event can last, and lets the index by time begin there.
        self.and("starts_at", ">", Timestamp(at.0.saturating_sub(LENGTH_MAX)));
    }

    fn keyed(&mut self, column: &str, operator: &str, (at, id): (Timestamp, EventId)) {
        let (at, id) = (self.bind(at), self.bind(id));
        self.conditions.push(format!("(event.{column}, event.id) {operator} ({at}, {id})"));
    }

    /// The tables and their conditions, as they stand in a statement.
    fn sql(&self) -> String {
        match self.conditions.as_slice() {
            [] => self.tables.clone(),
            conditions => format!("{} WHERE {}", self.tables, conditions.join(" AND ")),
        }
    }
}

#[derive(Debug, FromQueryResult)]
struct Key {
    id: EventId,
}

/// Prepares a list. A search is run here, once for the page and the count.
pub async fn list(ctx: &Ctx, scope: Scope, filter: &Filter) -> Result<List, DbError> {
    let c = ctx.db.read();
    let matches = match &filter.words {
        Some(words) => Some(search::find(c, words.clone(), scope == Scope::Catalog).await?),
        None => None,
    };
    let mut list = List { tables: "event".to_owned(), conditions: Vec::new(), values: Vec::new() };
    match matches {
        Some(Matches::Few(ids)) => {
            let rows: Vec<Candidate> = ids.into_iter().map(|id| Candidate { id }).collect();
            list.values.push(db::records_json(&rows)?);
            // CROSS JOIN: SQLite reads the few first and looks each event up.
            list.tables = db::records_sql::<Candidate>(c.get_database_backend(), "{records} CROSS JOIN event");
            list.conditions.push("event.id = r.id".to_owned());
        }
        Some(Matches::Many(words)) => {
            for word in words {
                list.conditions.push(search::has_word("event.id", list.values.len()));
                list.values.extend([word.as_str().into(), search::end_of(&word).into()]);
            }
        }
        None => {}
    }
    match scope {
        Scope::Catalog => {
            list.conditions.push("event.status = 'PUBLISHED'".to_owned());
            list.not_over_at(ctx.now());
        }
        Scope::Of(organizer) => list.and("organizer_id", "=", organizer),
        Scope::All => {}
    }
    if let Some(at) = filter.from {
        list.not_over_at(at);
    }
    if let Some(at) = filter.starting_from {
        list.and("starts_at", ">=", at);
    }
    if let Some(at) = filter.until {
        list.and("starts_at", "<", at);
    }
    if let Some(organizer) = filter.organizer {
        list.and("organizer_id", "=", organizer);
    }
    if let Some(status) = filter.status {
        list.and("status", "=", status.word());
    }
    if let Some(price) = filter.price {
        list.and("currency", "=", price.currency);
        list.and("cheapest_minor", ">=", price.from);
        list.and("cheapest_minor", "<=", price.to);
    }
    if let Some(free) = filter.free {
        list.conditions.push(format!("event.cheapest_minor {} 0", if free { "=" } else { ">" }));
    }
    if let Some(wanted) = filter.has_tickets {
        let now = list.bind(ctx.now());
        list.conditions.push(format!("{}{}", if wanted { "" } else { "NOT " }, has_tickets(&now)));
    }
    Ok(list)
}

/// The statement that reads the keys of one page, from the asked end of the list.
pub fn keys(backend: DbBackend, list: &List, sort: Sort, paging: &Paging<(Timestamp, EventId)>) -> Statement {
    let mut query = list.clone();
    let column = match sort {
        Sort::StartsAtAsc | Sort::StartsAtDesc => "starts_at",
        Sort::PublishedAtDesc => "published_at",
    };
    if sort == Sort::PublishedAtDesc {
        query.conditions.push("event.published_at IS NOT NULL".to_owned());
    }
    let is_ascending = sort == Sort::StartsAtAsc;
    let (behind, before) = if is_ascending { (">", "<") } else { ("<", ">") };
    if let Some(key) = paging.after {
        query.keyed(column, behind, key);
    }
    if let Some(key) = paging.before {
        query.keyed(column, before, key);
    }
    let direction = if is_ascending == paging.from_end { "DESC" } else { "ASC" };
    let limit = query.bind(i64::try_from(paging.limit + 1).unwrap_or(i64::MAX));
    let sql = format!(
        "SELECT event.id FROM {} ORDER BY event.{column} {direction}, event.id {direction} LIMIT {limit}",
        query.sql()
    );
    Statement::from_sql_and_values(backend, sql, query.values)
}

/// One page of a list.
pub async fn page(
    ctx: &Ctx,
    list: &List,
    sort: Sort,
    paging: &Paging<(Timestamp, EventId)>,
) -> Result<Page<event::Model>, DbError> {
    let c = ctx.db.read();
    let rows = c.query_all_raw(keys(c.get_database_backend(), list, sort, paging)).await?;
    let keys = rows.iter().map(|row| Key::from_query_result(row, "").map(|key| key.id));
    let keys = paging.cut(keys.collect::<Result<Vec<EventId>, _>>()?);
    let found = if keys.rows.is_empty() { Vec::new() } else { store::by_ids(c, &keys.rows).await? };
    let mut found: HashMap<EventId, event::Model> = found.into_iter().map(|row| (row.id, row)).collect();
    // An event that was deleted since is left out.
    let rows = keys.rows.iter().filter_map(|id| found.remove(id)).collect();
    Ok(Page { rows, has_previous: keys.has_previous, has_next: keys.has_next })
}

/// The statement that counts a list: it stops at one event more than [`COUNT_MAX`].
pub fn counted(backend: DbBackend, list: &List) -> Statement {
    let mut query = list.clone();
    let limit = query.bind(COUNT_MAX + 1);
    let sql = format!("SELECT count(*) AS n FROM (SELECT 1 FROM {} LIMIT {limit}) t", query.sql());
    Statement::from_sql_and_values(backend, sql, query.values)
}

/// How many events there are on all pages, up to [`COUNT_MAX`].
pub async fn count(ctx: &Ctx, list: &List) -> Result<Count, DbError> {
    let c = ctx.db.read();
    let row = c.query_one_raw(counted(c.get_database_backend(), list)).await?;
    let n: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0);
    Ok(Count::of(n))
}
