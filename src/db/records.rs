//! Set-based statements: any number of rows as one JSON parameter, so that one statement text fits every size.
//! Not here: the statements. Each slice writes its own, with `{records}` in the position of the rows.
//!
//! Bind parameters are limited to 32,766 (SQLite) and 65,535 (PostgreSQL), and each new text costs a parse. One JSON
//! text avoids both. It becomes rows through `json_each` or `jsonb_to_recordset`.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};
use serde::Serialize;

use super::DbError;
use crate::clock::Timestamp;
use crate::status::{BookingStatus, CancelReason, Confirmation, EventStatus, Role, WaitlistStatus};

/// SQL type of a JSON cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// UUID of 16 bytes.
    Uuid,
    /// Integer of 64 bits.
    Int,
    /// Text of any length.
    Text,
}

/// Rust type that can be a field of a record.
pub trait Cell: Serialize {
    /// Type of the field in SQL.
    const COLUMN: Column;
}

/// Row to write or look up.
pub trait Record: Serialize + Sync {
    /// Names and types of the columns, as they serialise.
    const COLUMNS: &'static [(&'static str, Column)];
}

/// Declares a row type. Its fields are the columns of `{records}`.
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

/// Returns the rows as parameter `$1`, for a statement built by [`records_sql`].
pub fn records_json<R: Record>(records: &[R]) -> Result<Value, DbError> {
    let json = serde_json::to_string(records).map_err(|error| sea_orm::DbErr::Json(error.to_string()))?;
    Ok(Value::from(json))
}

/// Replaces `{records}` with the rows of parameter `$1`, under the alias `r`.
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
            // PostgreSQL estimates 100 rows for any recordset. With that it prefers to scan a young table over 100
            // lookups, and keeps the plan while the table grows. A limit unknown at planning reduces the estimate to a
            // tenth; two of them reduce it to one row. No row is lost: LIMIT NULL means no limit.
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

/// Inserts all records into `table`; its columns have the names of the fields. `tail` is appended, for example a
/// conflict clause. Returns the number of rows inserted.
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

/// Runs a changing statement over records (`$1`) and further binds (`$2`, …). Returns the number of rows changed.
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

/// Reads the rows that match records (`$1`) and further binds (`$2`, …). Also for changing statements that return rows.
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
