//! Rebuilds a table of SQLite together with the tables that refer to it, so that a step can change a CHECK.
//! Not here: PostgreSQL, where `ALTER TABLE … DROP CONSTRAINT …, ADD CONSTRAINT …` does it.
//!
//! SQLite cannot alter a CHECK. The usual way round (copy, drop, rename) fails inside a transaction with foreign keys
//! switched on, because other tables refer to the dropped one, and foreign keys cannot be switched off there. So the
//! rows
//! of the table and of all its descendants are set aside in temporary tables, the tables are dropped from the last
//! descendant to the table itself, created again from their own definitions, and filled. Indexes come back as they
//! were,
//! and numbers of AUTOINCREMENT go on where they stood.
//!
//! ```ignore
//! // A step that adds a status:
//! rebuild(manager, "booking", |sql| sql.replace("'EXPIRED')", "'EXPIRED', 'MOVED')")).await?;
//! ```

use std::collections::BTreeSet;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

#[derive(FromQueryResult)]
struct Name {
    name: String,
}

#[derive(FromQueryResult)]
struct Definition {
    sql: String,
}

#[derive(FromQueryResult)]
struct Reference {
    child: String,
    parent: String,
}

#[derive(FromQueryResult)]
struct Sequence {
    seq: i64,
}

async fn all<T: FromQueryResult>(db: &impl ConnectionTrait, sql: &str, binds: Vec<Value>) -> Result<Vec<T>, DbErr> {
    T::find_by_statement(Statement::from_sql_and_values(DbBackend::Sqlite, sql, binds)).all(db).await
}

/// Rebuilds `table` with the definition that `change` makes of its present one. Does nothing on PostgreSQL.
///
/// # Errors
/// The database's own, for example when a row does not fit the new definition, and one when the definition is not
/// changed.
pub async fn rebuild(manager: &SchemaManager<'_>, table: &str, change: impl Fn(&str) -> String) -> Result<(), DbErr> {
    let db = manager.get_connection();
    if db.get_database_backend() != DbBackend::Sqlite {
        return Ok(());
    }
    let family = family(db, table).await?;
    let mut statements = Vec::new();
    // Rows are set aside before any table is dropped, because dropping one checks the references to it.
    for name in &family {
        statements.push(format!("CREATE TEMP TABLE \"kept_{name}\" AS SELECT * FROM main.\"{name}\""));
    }
    for name in family.iter().rev() {
        statements.push(format!("DROP TABLE main.\"{name}\""));
    }
    for name in &family {
        let tables = "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = $1";
        let own: Vec<Definition> = all(db, tables, vec![name.as_str().into()]).await?;
        let definition = own.into_iter().next().ok_or_else(|| DbErr::Custom(format!("there is no table {name}")))?.sql;
        let changed = if name == table { change(&definition) } else { definition.clone() };
        if name == table && changed == definition {
            return Err(DbErr::Custom(format!("the definition of {table} is not changed: {definition}")));
        }
        statements.push(changed);
        statements.push(format!("INSERT INTO main.\"{name}\" SELECT * FROM temp.\"kept_{name}\""));
        statements.push(format!("DROP TABLE temp.\"kept_{name}\""));
        statements.extend(belongings(db, name).await?);
        if let Some(seq) = sequence(db, name).await? {
            // The last number given, which may be of a row deleted since.
            statements.push(format!("UPDATE main.sqlite_sequence SET seq = {seq} WHERE name = '{name}'"));
            statements.push(format!(
                "INSERT INTO main.sqlite_sequence (name, seq) SELECT '{name}', {seq}
                 WHERE NOT EXISTS (SELECT 1 FROM main.sqlite_sequence WHERE name = '{name}')"
            ));
        }
    }
    for statement in statements {
        db.execute_unprepared(&statement).await?;
    }
    Ok(())
}

/// Returns a table and its descendants, each after every table it refers to.
async fn family(db: &impl ConnectionTrait, table: &str) -> Result<Vec<String>, DbErr> {
    let tables: Vec<Name> = all(
        db,
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        Vec::new(),
    )
    .await?;
    let references: Vec<Reference> = all(
        db,
        "SELECT DISTINCT t.name AS child, f.\"table\" AS parent FROM main.sqlite_master t, pragma_foreign_key_list(t.name) f
         WHERE t.type = 'table' AND f.\"table\" <> t.name",
        Vec::new(),
    )
    .await?;
    let mut members = BTreeSet::from([table.to_owned()]);
    loop {
        let children = references.iter().filter(|one| members.contains(&one.parent)).map(|one| one.child.clone());
        let more: Vec<String> = children.filter(|child| !members.contains(child)).collect();
        if more.is_empty() {
            break;
        }
        members.extend(more);
    }
    let mut ordered: Vec<String> = Vec::new();
    while ordered.len() < members.len() {
        let ready = tables.iter().map(|one| &one.name).find(|name| {
            let is_open = members.contains(*name) && !ordered.contains(name);
            is_open
                && references
                    .iter()
                    .filter(|one| &one.child == *name && members.contains(&one.parent))
                    .all(|one| ordered.contains(&one.parent))
        });
        let Some(ready) = ready else {
            return Err(DbErr::Custom(format!(
                "{table} does not exist, or its descendants refer to each other in a circle"
            )));
        };
        ordered.push(ready.clone());
    }
    Ok(ordered)
}

/// Returns the definitions of the indexes and triggers of a table.
async fn belongings(db: &impl ConnectionTrait, table: &str) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT sql FROM main.sqlite_master WHERE tbl_name = $1 AND type IN ('index', 'trigger')
               AND sql IS NOT NULL ORDER BY name";
    let found: Vec<Definition> = all(db, sql, vec![table.into()]).await?;
    Ok(found.into_iter().map(|one| one.sql).collect())
}

/// Returns the last number that AUTOINCREMENT gave in a table; `None` for a table without it.
async fn sequence(db: &impl ConnectionTrait, table: &str) -> Result<Option<i64>, DbErr> {
    let known = "SELECT name FROM main.sqlite_master WHERE name = 'sqlite_sequence'";
    if all::<Name>(db, known, Vec::new()).await?.is_empty() {
        return Ok(None);
    }
    let sql = "SELECT seq FROM main.sqlite_sequence WHERE name = $1";
    Ok(all::<Sequence>(db, sql, vec![table.into()]).await?.first().map(|one| one.seq))
}
