//! Databases for tests on PostgreSQL: one template per run, migrated once, copied for each test.
//! Not here: starting the server (`scripts/with-postgres`, which names it in `BOXOFFICE_TEST_POSTGRES`).

use std::sync::atomic::{AtomicU64, Ordering};

use boxoffice::db::{Db, Target};
use boxoffice::id::RandomSource;
use sea_orm::{ConnectionTrait, Database};
use tokio::sync::Mutex;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// True once the template was made. Copying locks the template, so there is one copy at a time.
static TEMPLATE: Mutex<bool> = Mutex::const_new(false);

/// Returns the server. Without it a test that needs one fails; it is ignored unless `--include-ignored` is given.
fn server() -> String {
    std::env::var("BOXOFFICE_TEST_POSTGRES").expect("a PostgreSQL, through scripts/with-postgres cargo test")
}

/// Returns the URL of a fresh database without any table.
pub async fn empty_database() -> String {
    let server = server();
    let fresh = format!("empty_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let admin = Database::connect(&server).await.unwrap();
    // From the template that no other database is made of, so that the copies of migrated ones need not wait.
    admin.execute_unprepared(&format!("CREATE DATABASE {fresh} TEMPLATE template0")).await.unwrap();
    admin.close().await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{fresh}")
}

/// Returns the URL of a fresh, migrated database.
pub async fn database() -> String {
    let server = server();
    let run = std::process::id();
    let named = |name: &str| {
        let (base, _) = server.rsplit_once('/').unwrap();
        format!("{base}/{name}")
    };
    let template = format!("template_{run}");
    let fresh = format!("scene_{run}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut made = TEMPLATE.lock().await;
    let admin = Database::connect(&server).await.unwrap();
    if !*made {
        admin.execute_unprepared(&format!("CREATE DATABASE {template}")).await.unwrap();
        let db = Db::open(&Target::Postgres(named(&template)), true, RandomSource::system()).await.unwrap();
        db.close().await;
        *made = true;
    }
    admin.execute_unprepared(&format!("CREATE DATABASE {fresh} TEMPLATE {template}")).await.unwrap();
    admin.close().await.unwrap();
    named(&fresh)
}
