//! Migration steps that a database has.
//! Not here: running them (`connect`), and the steps themselves (the crate `migration`).

use sea_orm::{DatabaseConnection, DbBackend, FromQueryResult};

use super::DbError;

/// Returns whether a table exists in the schema of this connection.
pub(super) async fn table_exists(db: &DatabaseConnection, table: &str) -> Result<bool, DbError> {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = $1",
        _ => {
            "SELECT count(*) AS n FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
        }
    };
    Ok(super::number(db, sql, [table.into()]).await? > 0)
}

/// Returns the names of the applied steps, in no order; empty for a database without any.
pub(super) async fn applied_steps(db: &DatabaseConnection) -> Result<Vec<String>, DbError> {
    #[derive(FromQueryResult)]
    struct Step {
        version: String,
    }
    if !table_exists(db, "seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let steps: Vec<Step> = super::all(db, "SELECT version FROM seaql_migrations", []).await?;
    Ok(steps.into_iter().map(|step| step.version).collect())
}
