//! Set-based statements: any number of rows as one JSON parameter, so that one statement text serves every size.
//! Not here: the statements; each slice writes its own with `{records}` where the rows stand.
//!
//! Binds are limited to 32,766 (SQLite) and 65,535 (PostgreSQL), and each new text costs a parse; one JSON text has
//! neither problem. It becomes rows through `json_each` or `jsonb_to_recordset`.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use serde::Serialize;

use super::DbError;
use crate::clock::Timestamp;
use crate::status::{BookingStatus, CancelReason, Confirmation, EventStatus, Role, WaitlistStatus};

/// What a JSON cell becomes in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// 16 bytes.
    Uuid,
    /// 64-bit integer.
    Int,
    /// Text.
    Text,
}

/// A Rust type that can stand in a record.
pub trait Cell: Serialize {
    /// Its type in SQL.
    const COLUMN: Column;
}

/// A row to be written or looked up.
pub trait Record: Serialize + Sync {
    /// Names and types, as they serialise.
    const COLUMNS: &'static [(&'static str, Column)];
}

/// Declares a row type whose fields are the columns of `{records}`.
macro_rules! record {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Serialize)]
        $vis struct $name { $($(#[$fdoc])* pub $field: $ty,)* }

        impl $crate::db::Record for $name {
            const COLUMNS: &'static [(&'static str, $crate::db::Column)] =
                &[$((stringify!($field), <$ty as $crate::db::Cell>::COLUMN),)*];
        }
    };
}
pub(crate) use record;

macro_rules! cells {
    ($($column:ident: $($ty:ty),*;)*) => {$($(
        impl Cell for $ty { const COLUMN: Column = Column::$column; }
    )*)*};
}

cells! {
    Int: i64, Timestamp;
    Text: String, &str, EventStatus, Confirmation, BookingStatus, CancelReason, WaitlistStatus, Role;
    Uuid: crate::id::UserId, crate::id::OrganizerId, crate::id::EventId, crate::id::SlotId, crate::id::QuotaId,
        crate::id::TicketTypeId, crate::id::BookingId, crate::id::BookingItemId, crate::id::EntryId,
        crate::id::DomainEventId, crate::id::ChangeId, crate::id::SessionId;
}

impl<T: Cell> Cell for Option<T> {
    const COLUMN: Column = T::COLUMN;
}

/// The rows as parameter `$1`, for statements that are put together by [`records_sql`].
pub fn records_json<R: Record>(records: &[R]) -> Result<Value, DbError> {
    let json = serde_json::to_string(records).map_err(|error| sea_orm::DbErr::Json(error.to_string()))?;
    Ok(Value::from(json))
}

/// Puts the rows of parameter `$1` where `{records}` stands; in the statement they are called `r`.
pub fn records_sql<R: Record>(backend: DbBackend, sql: &str) -> String {
    let rows = match backend {
        DbBackend::Sqlite => {
            let columns: Vec<String> = R::COLUMNS
                .iter()
                .map(|(name, column)| match column {
                    Column::Uuid => format!("unhex(value ->> '{name}', '-') AS {name}"),
                    Column::Int | Column::Text => format!("value ->> '{name}' AS {name}"),
                })
                .collect();
            format!("(SELECT {} FROM json_each($1)) AS r", columns.join(", "))
        }
        _ => {
            let columns: Vec<String> = R::COLUMNS
                .iter()
                .map(|(name, column)| match column {
                    Column::Uuid => format!("{name} uuid"),
                    Column::Int => format!("{name} bigint"),
                    Column::Text => format!("{name} text"),
                })
                .collect();
            // PostgreSQL takes any recordset for 100 rows. It would rather read a young table whole than look 100 rows up,
            // and keeps that plan while the table grows. A limit it cannot see through leaves a tenth in its eyes, two
            // leave one row; none leaves a row out, for to limit to null is not to limit.
            let none = "LIMIT (SELECT NULL::bigint)";
            let columns = columns.join(", ");
            format!(
                "(SELECT * FROM (SELECT * FROM jsonb_to_recordset($1::jsonb) AS r({columns}) {none}) AS r {none}) AS r"
            )
        }
    };
    sql.replace("{records}", &rows)
}

fn statement<R: Record, const N: usize>(
    c: &impl ConnectionTrait,
    sql: &str,
    records: &[R],
    binds: [Value; N],
) -> Result<Statement, DbError> {
    let mut values = vec![records_json(records)?];
    values.extend(binds);
    let backend = c.get_database_backend();
    Ok(Statement::from_sql_and_values(backend, records_sql::<R>(backend, sql), values))
}

/// Inserts all records into `table`, whose columns are named like theirs. `tail` is what follows, such as a conflict
/// clause. Says how many rows went in.
pub async fn insert<R: Record>(
    c: &impl ConnectionTrait,
    table: &str,
    records: &[R],
    tail: &str,
) -> Result<u64, DbError> {
    if records.is_empty() {
        return Ok(0);
    }
    let columns: Vec<&str> = R::COLUMNS.iter().map(|(name, _)| *name).collect();
    let columns = columns.join(", ");
    // `WHERE true` keeps SQLite from reading `ON CONFLICT` as the condition of a join.
    let sql = format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {{records}} WHERE true {tail}");
    Ok(c.execute_raw(statement(c, &sql, records, [])?).await?.rows_affected())
}

/// Runs a changing statement over records (`$1`) and further binds (`$2`, …). Says how many rows it changed.
pub async fn update_by<R: Record, const N: usize>(
    c: &impl ConnectionTrait,
    sql: &str,
    records: &[R],
    binds: [Value; N],
) -> Result<u64, DbError> {
    if records.is_empty() {
        return Ok(0);
    }
    Ok(c.execute_raw(statement(c, sql, records, binds)?).await?.rows_affected())
}

/// Reads rows that belong to records (`$1`) and further binds (`$2`, …). Also for changing statements that return rows.
pub async fn select_by<T: FromQueryResult, R: Record, const N: usize>(
    c: &impl ConnectionTrait,
    sql: &str,
    records: &[R],
    binds: [Value; N],
) -> Result<Vec<T>, DbError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let rows = c.query_all_raw(statement(c, sql, records, binds)?).await?;
    Ok(rows.iter().map(|row| T::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
