//! Readable addresses of organizers.
//! Not here: how an address is made from a name (`account`).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// This step; it fills the new column, which the two dialects write differently.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
-- Readable address, fixed once given. Null only where an earlier release wrote the row after this step.
ALTER TABLE organizer ADD COLUMN slug TEXT;

-- One organizer per address.
CREATE UNIQUE INDEX organizer_by_slug ON organizer (slug);
";

const DOWN: &str = "
DROP INDEX organizer_by_slug;
ALTER TABLE organizer DROP COLUMN slug;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, UP).await?;
        let db = manager.get_connection();
        // The random end of an id: names are not unique, and letters are not folded in SQL.
        let hex = match db.get_database_backend() {
            DbBackend::Sqlite => "lower(substr(hex(id), 21))",
            _ => "right(replace(CAST(id AS text), '-', ''), 12)",
        };
        db.execute_unprepared(&format!("UPDATE organizer SET slug = 'organizer-' || {hex}")).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
