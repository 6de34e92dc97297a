//! Databases for scenes on PostgreSQL: one template per run, migrated once, copied for each scene.
//! Not here: starting the server; `scripts/with-postgres` does, and names it in `BOXOFFICE_TEST_POSTGRES`.

use std::sync::atomic::{AtomicU64, Ordering};

use boxoffice::db::{Db, Target};
use boxoffice::id::RandomSource;
use sea_orm::{ConnectionTrait, Database};
use tokio::sync::Mutex;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Copying locks the template, so one at a time; holds whether the template was made.
static TEMPLATE: Mutex<bool> = Mutex::const_new(false);

/// The server. Without it a scene that needs one fails; it is ignored unless `--include-ignored` asks for it.
fn server() -> String {
    std::env::var("BOXOFFICE_TEST_POSTGRES").expect("a PostgreSQL, through scripts/with-postgres cargo test")
}

/// The URL of a fresh database without any table.
pub async fn empty_database() -> String {
    let server = server();
    let fresh = format!("empty_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let admin = Database::connect(&server).await.unwrap();
    // Of the one template nobody uses, so that the copies of migrated ones need not wait.
    admin.execute_unprepared(&format!("CREATE DATABASE {fresh} TEMPLATE template0")).await.unwrap();
    admin.close().await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{fresh}")
}

/// The URL of a fresh, migrated database.
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
