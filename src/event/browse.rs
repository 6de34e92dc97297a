//! Browsing: lists of events with filters and sort, paged by key.
//! Not here: visibility of drafts, which the caller decides by the scope; availability figures
//! (`booking::availability`).
//!
//! A list first reads its keys, which an index provides alone; only the events of the page are read in full.

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

/// Set of events a list is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Published events that are not over: those every client sees.
    Catalog,
    /// All events of these organizers, drafts included.
    Of(&'a [OrganizerId]),
    /// All events of all organizers.
    All,
}

/// Conditions on the events of a list; all given ones must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Events not over at this instant: they begin later or have not ended.
    pub from: Option<Timestamp>,
    /// Events that begin at or after this instant.
    pub starting_from: Option<Timestamp>,
    /// Events that begin before this instant.
    pub until: Option<Timestamp>,
    /// Events with these words in the title or venue, as made by [`search::asked`].
    pub words: Option<Vec<String>>,
    /// Events at which a newcomer can book at least one ticket now (true) or none (false).
    pub has_tickets: Option<bool>,
    /// Events with the cheapest ticket in this price range.
    pub price: Option<Price>,
    /// Events with a cheapest ticket that is free of charge (true) or not (false).
    pub free: Option<bool>,
    /// Events of this organizer.
    pub organizer: Option<OrganizerId>,
    /// Events in this status.
    pub status: Option<EventStatus>,
}

/// Range of prices in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Code of the currency; events in another one are left out.
    pub currency: &'static str,
    /// Lowest price, in minor units.
    pub from: i64,
    /// Highest price, in minor units.
    pub to: i64,
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By beginning, earliest first.
    StartsAtAsc,
    /// By beginning, latest first.
    StartsAtDesc,
    /// By publication, newest first.
    PublishedAtDesc,
}

record! {
    struct Candidate {
        id: EventId,
    }
}

/// List of events: its tables, its conditions and the values bound to them.
#[derive(Debug, Clone)]
pub struct List {
    tables: String,
    conditions: Vec<String>,
    /// Placeholders of several organizers: an index has the events of each in the order of the list, but not of all.
    organizers: Vec<String>,
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
        // Implied by the longest duration of an event; lets the scan of the index by time start there.
        self.and("starts_at", ">", Timestamp(at.0.saturating_sub(LENGTH_MAX)));
    }

    fn keyed(&mut self, column: &str, operator: &str, (at, id): (Timestamp, EventId)) {
        let (at, id) = (self.bind(at), self.bind(id));
        self.conditions.push(format!("(event.{column}, event.id) {operator} ({at}, {id})"));
    }

    /// Returns the tables and their conditions, as they appear in a statement.
    fn sql(&self) -> String {
        let of =
            (!self.organizers.is_empty()).then(|| format!("event.organizer_id IN ({})", self.organizers.join(", ")));
        match self.conditions.iter().cloned().chain(of).collect::<Vec<_>>().as_slice() {
            [] => self.tables.clone(),
            conditions => format!("{} WHERE {}", self.tables, conditions.join(" AND ")),
        }
    }

    /// Returns the lists of the organizers apart; this one alone if it is not of several.
    fn by_organizer(&self) -> Vec<Self> {
        if self.organizers.is_empty() {
            return vec![self.clone()];
        }
        let of = |organizer: &String| {
            let mut own = Self { organizers: Vec::new(), ..self.clone() };
            own.conditions.push(format!("event.organizer_id = {organizer}"));
            own
        };
        self.organizers.iter().map(of).collect()
    }
}

#[derive(Debug, FromQueryResult)]
struct Key {
    id: EventId,
}

/// Prepares a list. A search runs here, once for both the page and the count.
pub async fn list(ctx: &Ctx, scope: Scope<'_>, filter: &Filter) -> Result<List, DbError> {
    let c = ctx.db.read();
    let matches = match &filter.words {
        Some(words) => Some(search::find(c, words.clone(), scope == Scope::Catalog).await?),
        None => None,
    };
    let mut list =
        List { tables: "event".to_owned(), conditions: Vec::new(), organizers: Vec::new(), values: Vec::new() };
    match matches {
        Some(Matches::Few(ids)) => {
            let rows: Vec<Candidate> = ids.into_iter().map(|id| Candidate { id }).collect();
            list.values.push(db::records_json(&rows)?);
            // CROSS JOIN, so that SQLite reads the few ids first and looks up each event.
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
        // With a single organizer, the index has the events in the order of the list.
        Scope::Of([only]) => list.and("organizer_id", "=", *only),
        Scope::Of(organizers) => {
            list.organizers = organizers.iter().map(|organizer| list.bind(*organizer)).collect();
        }
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

/// Returns the statement that reads the keys of one page, from the requested end of the list.
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
    let front = |list: &List, columns: &str| {
        let tables = list.sql();
        format!(
            "SELECT {columns} FROM {tables} ORDER BY event.{column} {direction}, event.id {direction} LIMIT {limit}"
        )
    };
    let sql = match query.by_organizer().as_slice() {
        [only] => front(only, "event.id"),
        // The fronts of all, so that no more than a page of each is read.
        several => {
            let fronts: Vec<String> = several
                .iter()
                .map(|own| format!("SELECT * FROM ({}) front", front(own, &format!("event.id, event.{column} AS at"))))
                .collect();
            format!(
                "SELECT id FROM ({}) fronts ORDER BY at {direction}, id {direction} LIMIT {limit}",
                fronts.join(" UNION ALL ")
            )
        }
    };
    Statement::from_sql_and_values(backend, sql, query.values)
}

/// Returns one page of a list.
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
    // An event deleted since its key was read is left out.
    let rows = keys.rows.iter().filter_map(|id| found.remove(id)).collect();
    Ok(Page { rows, has_previous: keys.has_previous, has_next: keys.has_next })
}

/// Returns the statement that counts a list; it stops at one event more than [`COUNT_MAX`].
pub fn counted(backend: DbBackend, list: &List) -> Statement {
    let mut query = list.clone();
    let limit = query.bind(COUNT_MAX + 1);
    let sql = format!("SELECT count(*) AS n FROM (SELECT 1 FROM {} LIMIT {limit}) t", query.sql());
    Statement::from_sql_and_values(backend, sql, query.values)
}

/// Counts the events on all pages, up to [`COUNT_MAX`].
pub async fn count(ctx: &Ctx, list: &List) -> Result<Count, DbError> {
    let c = ctx.db.read();
    let row = c.query_one_raw(counted(c.get_database_backend(), list)).await?;
    let n: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0);
    Ok(Count::of(n))
}
