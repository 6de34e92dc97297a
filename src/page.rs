//! Pages of lists by key: which rows a connection asks for, and whether there are more.
//! Not here: cursors as clients see them (`graphql::page`), and what a list contains.

use sea_orm::{ConnectionTrait, Cursor, FromQueryResult, SelectorTrait};

use crate::db::DbError;

/// The largest page.
pub const PAGE_MAX: u64 = 100;

/// The largest count. Counting reads one row more at most, however long the list is.
pub const COUNT_MAX: i64 = 1_000;

/// How many rows a list has, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The number, up to [`COUNT_MAX`].
    pub n: i64,
    /// Whether there are more.
    pub is_capped: bool,
}

impl Count {
    /// From a count of at most one row beyond [`COUNT_MAX`].
    pub fn of(n: i64) -> Self {
        Self { n: n.min(COUNT_MAX), is_capped: n > COUNT_MAX }
    }
}

/// What part of a list is asked for; `K` is the key rows are ordered by, unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging<K> {
    /// Rows behind this key.
    pub after: Option<K>,
    /// Rows before this key.
    pub before: Option<K>,
    /// How many; 1 to [`PAGE_MAX`].
    pub limit: u64,
    /// From the end of the list instead of its beginning.
    pub from_end: bool,
}

/// Part of a list, in list order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether there are rows before them.
    pub has_previous: bool,
    /// Whether there are rows behind them.
    pub has_next: bool,
}

impl<K: Clone + sea_orm::sea_query::IntoValueTuple> Paging<K> {
    /// Reads one page through a keyset cursor; one row more than asked tells whether there are more.
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
    /// The page of rows as they were read from the asked end of the list, one more than asked where there are more.
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
