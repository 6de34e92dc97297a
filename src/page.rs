//! Pages of lists by key: the rows that a connection asks for, and whether more rows exist.
//! Not here: cursors as clients see them (`graphql::page`), and the content of a list.

use sea_orm::{ConnectionTrait, Cursor, FromQueryResult, SelectorTrait};

use crate::db::DbError;

/// Largest size of a page.
pub const PAGE_MAX: u64 = 100;

/// Largest count. Counting reads at most one row more, however long the list is.
pub const COUNT_MAX: i64 = 1_000;

/// Number of rows in a list, up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Number of rows, up to [`COUNT_MAX`].
    pub n: i64,
    /// True if more rows exist.
    pub is_capped: bool,
}

impl Count {
    /// Creates a count from a number that stops at one row above [`COUNT_MAX`].
    pub fn of(n: i64) -> Self {
        Self { n: n.min(COUNT_MAX), is_capped: n > COUNT_MAX }
    }
}

/// Part of a list that is asked for. `K` is the unique key by which rows are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging<K> {
    /// Key after which the rows begin.
    pub after: Option<K>,
    /// Key before which the rows end.
    pub before: Option<K>,
    /// Number of rows; 1 to [`PAGE_MAX`].
    pub limit: u64,
    /// True to read from the end of the list instead of its beginning.
    pub from_end: bool,
}

/// Part of a list, in list order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Rows of the page.
    pub rows: Vec<T>,
    /// True if rows exist before the page.
    pub has_previous: bool,
    /// True if rows exist after the page.
    pub has_next: bool,
}

impl<K: Clone + sea_orm::sea_query::IntoValueTuple> Paging<K> {
    /// Reads one page through a keyset cursor. It asks for one row more than the page has, to learn whether more exist.
    pub async fn run<S, T>(&self, mut cursor: Cursor<S>, c: &impl ConnectionTrait) -> Result<Page<T>, DbError>
    where
        S: SelectorTrait<Item = T>,
        T: FromQueryResult,
    {
        if let Some(key) = self.after.clone() {
            cursor.after(key);
        }
        if let Some(key) = self.before.clone() {
            cursor.before(key);
        }
        if self.from_end {
            cursor.last(self.limit + 1);
        } else {
            cursor.first(self.limit + 1);
        }
        let mut rows = cursor.all(c).await?;
        if self.from_end {
            rows.reverse(); // the cursor has put them into list order
        }
        Ok(self.cut(rows))
    }
}

impl<K> Paging<K> {
    /// Cuts the page out of rows that were read from the requested end of the list, with one row too many if more
    /// exist.
    pub fn cut<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let more = rows.len() as u64 > self.limit;
        rows.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        if self.from_end {
            rows.reverse();
            return Page { rows, has_previous: more, has_next: self.before.is_some() };
        }
        Page { rows, has_previous: self.after.is_some(), has_next: more }
    }
}
