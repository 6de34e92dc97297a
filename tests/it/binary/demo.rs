//! The demo from the terminal: created at a first start, refused where real accounts exist, completed after an
//! interruption.
//! Not here: the contents of the demo (`crate::demo`).

use boxoffice::access::Role;
use boxoffice::db::{self, Target};
use boxoffice::demo::{self, seed::EVENTS};

use super::refusals::refuses;
use crate::harness::binary::{Guest, Place};

async fn count(db: &db::Db, table: &str) -> i64 {
    db::number(db.read(), &format!("SELECT count(*) AS n FROM {table}"), []).await.unwrap()
}

#[apply(scene!)]
async fn is_not_reset_where_somebody_real_has_an_account(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    demo::make(&db, boxoffice::clock::Clock::System.now()).await.unwrap();
    let reset = place.call(&["demo", "reset"]).end().await;
    assert_eq!(reset.code, Some(0), "{reset:?}");
    assert!(reset.stdout.contains(&format!("{} events", EVENTS.len())), "{}", reset.stdout);
    Guest::invite(&db, Role::Customer, 1).await;
    let tables = ["users", "event", "booking", "domain_event", "notice"];
    let mut before = Vec::new();
    for table in tables {
        before.push(count(&db, table).await);
    }
    let refused = place.call(&["demo", "reset"]).end().await;
    refuses(&refused, 4, "accounts that are not part of the demo", "--data");
    for (table, n) in tables.into_iter().zip(before) {
        assert_eq!(count(&db, table).await, n, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_one_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&Target::Sqlite(folder.path().join("boxoffice.db")), folder.path());
    // Killed as soon as the first user exists: long before the demo is complete.
    let db = place.db().await;
    let first = place.serve_demo().begin();
    crate::harness::binary::until("somebody is signed up", || {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(count(&db, "users")) > 0)
            .then_some(())
    })
    .await;
    first.kill().await;
    assert!(demo::is_half_made(&db).await.unwrap(), "killed too late to show anything");
    let second = place.serve_demo().begin().ready().await;
    assert_eq!(count(&db, "event").await, EVENTS.len() as i64);
    assert!(!demo::is_half_made(&db).await.unwrap());
    assert!(second.running.said().contains("grace@demo.test"), "{}", second.running.said());
}

#[tokio::test]
async fn two_first_starts_at_once_both_serve() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&Target::Sqlite(folder.path().join("boxoffice.db")), folder.path());
    let (first, second) = (place.serve_demo().begin(), place.serve_demo().begin());
    let (first, second) = (first.ready().await, second.ready().await);
    assert_ne!(first.address, second.address);
    assert_eq!(count(&place.db().await, "event").await, EVENTS.len() as i64, "one demo");
}
