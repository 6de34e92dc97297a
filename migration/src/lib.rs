//! The schema of the database, one reversible step per file, for SQLite and PostgreSQL alike.
//! What does not live here: queries, and any rule that a CHECK or a unique index cannot express.
//!
//! Steps are SQL, because partial indexes, CHECKs and the reason of each column read best there. Where the two
//! dialects differ, a step writes one of these words and [`run`] puts the dialect's own in its place:
//!
//! | word      | SQLite                              | PostgreSQL                                            |
//! |-----------|-------------------------------------|-------------------------------------------------------|
//! | `@uuid`   | `BLOB` (16 bytes)                   | `uuid`                                                |
//! | `@int`    | `INTEGER`                           | `bigint`                                              |
//! | `@serial` | `INTEGER PRIMARY KEY AUTOINCREMENT` | `bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY`     |
//! | `@table`  | `STRICT`                            | nothing                                               |
//! | `@hot`    | `STRICT`                            | `WITH (fillfactor = 50)`: room for in-page updates    |
//! | `@bytes`  | nothing: texts compare by bytes     | `COLLATE "C"`: so that an index serves beginnings     |
//!
//! A CHECK that gains a word: [`rebuild`] on SQLite, `ALTER TABLE` on PostgreSQL.
//!
//! Times are epoch microseconds (`@int`), money is integer minor units (`@int`), JSON is text that only the program
//! reads. Timestamps as text would sort wrongly on SQLite, decimals would become floats there.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

mod m20261201_000001_accounts;
mod m20261201_000002_events;
mod m20261201_000003_bookings;
mod m20261201_000004_domain_events;
mod m20261201_000005_jobs;
mod m20261201_000006_notices;
pub mod rebuild;

/// Number of this release. A database names in `meta.min_compatible` the release it
/// needs at least; a binary with a lower number refuses to start.
pub const RELEASE: i64 = 1;

/// All steps, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261201_000001_accounts::Migration),
            Box::new(m20261201_000002_events::Migration),
            Box::new(m20261201_000003_bookings::Migration),
            Box::new(m20261201_000004_domain_events::Migration),
            Box::new(m20261201_000005_jobs::Migration),
            Box::new(m20261201_000006_notices::Migration),
        ]
    }
}

/// Runs the statements of one step, separated by `;` at the end of a line, in the dialect of this database.
async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let words: [(&str, &str); 6] = match db.get_database_backend() {
        DbBackend::Sqlite => [
            ("@uuid", "BLOB"),
            ("@int", "INTEGER"),
            ("@serial", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("@table", "STRICT"),
            ("@hot", "STRICT"),
            ("@bytes", ""),
        ],
        _ => [
            ("@uuid", "uuid"),
            ("@int", "bigint"),
            ("@serial", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
            ("@table", ""),
            ("@hot", "WITH (fillfactor = 50)"),
            ("@bytes", "COLLATE \"C\""),
        ],
    };
    for statement in sql.split(";\n") {
        let mut statement = statement.trim().to_owned();
        for (word, dialect) in words {
            statement = statement.replace(word, dialect);
        }
        if !statement.is_empty() {
            db.execute_unprepared(&statement).await?;
        }
    }
    Ok(())
}

/// Declares one step from its forward and backward SQL, so that each file holds its tables and nothing else.
macro_rules! step {
    ($up:literal, $down:literal) => {
        #[derive(sea_orm_migration::prelude::DeriveMigrationName)]
        pub struct Migration;

        #[sea_orm_migration::async_trait::async_trait]
        impl sea_orm_migration::prelude::MigrationTrait for Migration {
            async fn up(
                &self,
                manager: &sea_orm_migration::prelude::SchemaManager,
            ) -> Result<(), sea_orm_migration::prelude::DbErr> {
                crate::run(manager, $up).await
            }

            async fn down(
                &self,
                manager: &sea_orm_migration::prelude::SchemaManager,
            ) -> Result<(), sea_orm_migration::prelude::DbErr> {
                crate::run(manager, $down).await
            }

            // Also on SQLite, where the runner does not do so by itself: a process that dies in the middle of a step
            // leaves nothing of it.
            fn use_transaction(&self) -> Option<bool> {
                Some(true)
            }
        }
    };
}
use step;
