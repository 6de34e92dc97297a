//! Migrations: every step back and forth, and the rebuild of a table with its descendants on SQLite.
//! Not here: start-up of a database that is too old or too new (`binary::refusals`).

use boxoffice::db::Target;
use migration::Migrator;
use migration::rebuild::rebuild;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr, FromQueryResult, Statement, TransactionTrait};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use crate::audit;
use crate::harness::Stage;

/// A connection of its own, with foreign keys on, as the service has them.
async fn connect(target: &Target) -> DatabaseConnection {
    match target {
        Target::Sqlite(path) => {
            let mut options = sea_orm::ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
            options.max_connections(1);
            let db = Database::connect(options).await.unwrap();
            db.execute_unprepared("PRAGMA foreign_keys = ON").await.unwrap();
            db
        }
        Target::Postgres(url) => Database::connect(url).await.unwrap(),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
struct Line {
    line: String,
}

async fn lines(db: &impl ConnectionTrait, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let lines = Line::find_by_statement(statement).all(db).await.unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// Tables, columns, constraints and indexes, except for the runner's own table.
async fn schema(db: &impl ConnectionTrait, is_sqlite: bool) -> Vec<String> {
    let sql = match is_sqlite {
        true => {
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master
             WHERE tbl_name <> 'seaql_migrations' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
        }
        false => {
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS line
             FROM information_schema.columns WHERE table_schema = current_schema() AND table_name <> 'seaql_migrations'
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename <> 'seaql_migrations'
             UNION ALL SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
             WHERE connamespace = current_schema()::regnamespace AND conrelid::regclass::text <> 'seaql_migrations'
             ORDER BY 1"
        }
    };
    lines(db, sql).await
}

/// Every step can be taken back, on a filled database too, and taken again.
#[apply(scene!)]
async fn each_step_goes_back_and_forth(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(2).await;
    customer.books(&event, 1).await;
    customer.book(&event, 3, "PARTIAL_AND_WAITLIST", None).await.ok();
    app.settled().await;
    let is_sqlite = app.db().is_sqlite();
    app.app.stop().await;

    let db = connect(&stage.target).await;
    let whole = schema(&db, is_sqlite).await;
    assert!(whole.len() > 40, "{whole:#?}");
    let steps = Migrator::migrations().len() as u32;
    for _ in 0..steps {
        Migrator::down(&db, Some(1)).await.unwrap();
    }
    assert_eq!(schema(&db, is_sqlite).await, Vec::<String>::new(), "nothing is left");
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(schema(&db, is_sqlite).await, whole);
}

/// Rows of a table, as text.
async fn rows(db: &impl ConnectionTrait, table: &str) -> Vec<String> {
    let columns = lines(db, &format!("SELECT name AS line FROM pragma_table_info('{table}') ORDER BY cid")).await;
    let quoted: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
    lines(db, &format!("SELECT {} AS line FROM {table} ORDER BY 1", quoted.join(" || ', ' || "))).await
}

/// The tables that hold rows.
async fn filled(db: &impl ConnectionTrait) -> Vec<(String, Vec<String>)> {
    let tables = "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_stat1' ORDER BY name";
    let mut found = Vec::new();
    for table in lines(db, tables).await {
        let rows = rows(db, &table).await;
        if !rows.is_empty() {
            found.push((table, rows));
        }
    }
    found
}

async fn in_transaction(db: &DatabaseConnection, change: fn(&str) -> String, table: &str) -> Result<(), DbErr> {
    #[expect(clippy::disallowed_methods, reason = "a step runs in the runner's transaction, not in one of ours")]
    let tx = db.begin().await?;
    rebuild(&SchemaManager::new(&tx), table, change).await?;
    tx.commit().await
}

/// A step may give a CHECK another word: the table, its descendants, their rows, indexes and numbers stay.
#[tokio::test]
async fn a_filled_table_is_rebuilt_with_its_descendants() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(2).await;
    customer.books(&event, 1).await;
    customer.book(&event, 3, "PARTIAL_AND_WAITLIST", None).await.ok();
    app.settled().await;
    // The newest job is gone: its number must not be given again.
    app.sql("DELETE FROM job WHERE id = (SELECT max(id) FROM job)", []).await;
    app.app.stop().await;

    let db = connect(&stage.target).await;
    let (before, contents) = (schema(&db, true).await, filled(&db).await);
    assert!(contents.iter().any(|(table, rows)| table == "booking_item" && rows.len() == 2), "{contents:?}");
    let refused = "UPDATE event SET status = 'POSTPONED'";
    assert!(db.execute_unprepared(refused).await.is_err());
    in_transaction(&db, |sql| sql.replace("'ARCHIVED')", "'ARCHIVED', 'POSTPONED')"), "event").await.unwrap();
    // The runner may rebuild a table without children as well, and one that gives numbers.
    in_transaction(&db, |sql| sql.replace("'cancelled')", "'cancelled', 'parked')"), "job").await.unwrap();
    let after: Vec<String> = schema(&db, true)
        .await
        .into_iter()
        .map(|line| {
            line.replace("'ARCHIVED', 'POSTPONED')", "'ARCHIVED')").replace("'cancelled', 'parked')", "'cancelled')")
        })
        .collect();
    assert_eq!(after, before, "definitions and indexes are the same");
    assert_eq!(filled(&db).await, contents, "rows and numbers are the same");
    assert_eq!(lines(&db, "SELECT \"table\" AS line FROM pragma_foreign_key_check").await, Vec::<String>::new());
    db.execute_unprepared("UPDATE event SET status = 'POSTPONED' WHERE status = 'DRAFT'").await.unwrap();
    let orphan = "INSERT INTO slot (id, event_id, starts_at, ends_at) VALUES (x'01', x'02', 1, 2)";
    assert!(db.execute_unprepared(orphan).await.unwrap_err().to_string().contains("FOREIGN KEY"));

    // A row that does not fit, and a change that changes nothing, leave everything as it was.
    let narrow: fn(&str) -> String = |sql| sql.replace("'CONFIRMED', ", "");
    assert!(in_transaction(&db, narrow, "booking").await.is_err());
    assert!(in_transaction(&db, str::to_owned, "booking").await.is_err());
    assert_eq!(filled(&db).await, contents);
    db.close().await.unwrap();

    let app = stage.app().await;
    app.settled().await;
    assert_eq!(audit::broken_invariants(app.db()).await, Vec::<String>::new());
}
