//! Acknowledged writes are stored: full disks, failed statements, replaced files, and the report of `/readyz` on them.
//! Not here: connections that die during COMMIT (`unclear`), and the death of the program (`kill`).

use std::time::{Duration, Instant};

use boxoffice::booking::batcher;
use boxoffice::db::{self, DbError, Priority, Target, Tx};
use boxoffice::id::{BookingId, NodeId};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::proxy::{Cut, Proxy};
use crate::harness::{HeldStock, Stage, TestApp};

/// Returns the status of `/readyz`, and its code; empty if it is ready.
async fn ready(app: &TestApp) -> (u16, String) {
    let answer = app.http.get(format!("http://{}/readyz", app.address)).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["code"].as_str().unwrap_or("").to_owned())
}

/// Waits until `/readyz` has this code; empty: until it is ready.
async fn until_ready(app: &TestApp, code: &str) {
    app.eventually(&format!("readiness is {code:?}"), || async { ready(app).await.1 == code }).await;
}

/// Sets a pragma of the one connection that writes.
async fn pragma(app: &TestApp, pragma: &str) {
    let sql = &format!("PRAGMA {pragma}");
    let set = |tx: Tx| async move {
        tx.execute_unprepared(sql).await?;
        Ok(())
    };
    app.db().write::<_, DbError, _, _>(Priority::Interactive, set).await.unwrap();
}

/// A file that may not grow, as on a full disk: every booking that was acknowledged exists after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_keeps_what_it_acknowledged() {
    let stage = Stage::sqlite();
    let quiet = |options: &mut boxoffice::app::Options| {
        options.relay = false; // so that only the writes of the test need room
        options.worker = false;
        options.batcher = Some(batcher::Settings { lanes: 1, batch_max: 1 });
    };
    let app = stage.app_with(quiet).await;
    let event = app.organizer().await.event(10_000).await;
    let customer = app.customer().await;
    let (mut kept, mut failed) = (Vec::new(), 0);
    for _ in 0..40 {
        // The limit belongs to the connection, and ends when it is closed.
        pragma(&app, "max_page_count = 1").await; // as large as the file is now
        for _ in 0..8 {
            let answer = customer.book(&event, 1, "ALL_OR_NOTHING", None).await;
            match answer.fault() {
                "" => kept.push(answer.ok().text("createBooking.booking.id")),
                "OVERLOADED" | "INTERNAL" => failed += 1,
                other => panic!("{other}: {}", answer.body),
            }
        }
    }
    let refused = "SELECT count(*) AS n FROM meta WHERE name = 'readiness'";
    assert_eq!(app.number(refused, []).await, 1, "it reads all the while");
    let again = stage.app_with(quiet).await;
    for booking in &kept {
        let booking = BookingId::parse(booking).unwrap();
        let stored = again.number("SELECT count(*) AS n FROM booking WHERE id = $1", [booking.into()]).await;
        assert_eq!(stored, 1, "{booking} was acknowledged");
    }
    assert_eq!(again.number("SELECT count(*) AS n FROM booking", []).await, kept.len() as i64, "{failed} failed");
    again.assert_sound(&event).await;
}

/// A transaction that continues after a failed statement commits nothing, and the next transaction has an intact
/// connection.
#[apply(scene!)]
async fn a_failed_statement_is_never_committed(stage: Stage) {
    let app = stage.app().await;
    let swallow = |tx: Tx| async move {
        db::run(&tx, "INSERT INTO meta (name, value) VALUES ('one', '1')", []).await?;
        let twice = db::run(&tx, "INSERT INTO meta (name, value) VALUES ('one', '2')", []).await;
        assert!(twice.is_err());
        let more = db::run(&tx, "INSERT INTO meta (name, value) VALUES ('two', '2')", []).await;
        assert!(more.is_err(), "nothing follows it");
        Ok(())
    };
    for _ in 0..20 {
        let outcome = app.db().write::<_, DbError, _, _>(Priority::Interactive, swallow).await;
        assert!(matches!(outcome, Err(DbError::Failed(_))), "{outcome:?}");
    }
    assert_eq!(app.number("SELECT count(*) AS n FROM meta WHERE name IN ('one', 'two')", []).await, 0);
    assert_eq!(app.sql("INSERT INTO meta (name, value) VALUES ('one', '1')", []).await, 1);
    assert_eq!(app.number("SELECT count(*) AS n FROM meta WHERE name = 'one'", []).await, 1);
}

/// A transaction that is dropped in the middle leaves nothing, and its connection does not return to the pool.
#[apply(scene!)]
async fn a_transaction_that_is_given_up_leaves_nothing(stage: Stage) {
    let app = stage.app().await;
    for _ in 0..20 {
        let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
        let begun = std::sync::Mutex::new(Some(begun));
        let begun = &begun;
        let never = |tx: Tx| async move {
            db::run(&tx, "INSERT INTO meta (name, value) VALUES ('one', '1')", []).await?;
            let begun = begun.lock().unwrap().take();
            begun.map(|begun| begun.send(()));
            std::future::pending::<Result<(), DbError>>().await
        };
        tokio::select! {
            _ = app.db().write::<_, DbError, _, _>(Priority::Interactive, never) => unreachable!("it never ends"),
            _ = has_begun => {}
        }
    }
    assert_eq!(app.sql("INSERT INTO meta (name, value) VALUES ('one', '1')", []).await, 1);
    assert_eq!(app.number("SELECT count(*) AS n FROM meta WHERE name = 'one'", []).await, 1);
}

/// A booking that is returned from a stored answer must still exist to be shown.
#[apply(scene!)]
async fn a_payload_without_its_object_is_a_fault(stage: Stage) {
    let app = stage.app().await;
    let event = app.organizer().await.event(10).await;
    let customer = app.customer().await;
    let first = customer.book(&event, 1, "ALL_OR_NOTHING", Some("key")).await.ok();
    app.settled().await;
    for sql in ["DELETE FROM notice", "DELETE FROM booking_item", "DELETE FROM booking"] {
        app.sql(sql, []).await;
    }
    let again = customer.book(&event, 1, "ALL_OR_NOTHING", Some("key")).await;
    assert_eq!((first.text("createBooking.outcome").as_str(), again.fault()), ("BOOKED", "INTERNAL"));
    assert_eq!(*again.at("createBooking"), Value::Null, "{}", again.body);
    let organizer = app.organizer().await;
    let input = json!({
        "title": "T", "venue": "V", "timeZone": "UTC", "capacity": 1, "idempotencyKey": "key",
        "startsAt": "2031-06-01T18:00:00Z", "endsAt": "2031-06-01T20:00:00Z",
    });
    let draft = organizer.mutate("createEvent", input.clone(), "event { id }").await.ok();
    let id = json!({ "eventId": draft.text("createEvent.event.id") });
    organizer.mutate("deleteEvent", id, "deletedId").await.ok();
    let again = organizer.mutate("createEvent", input, "event { id }").await;
    assert_eq!((again.fault(), again.at("createEvent")), ("NOT_FOUND", &Value::Null), "{}", again.body);
}

/// Readiness is proved by a write, of which there is one a second at most, however many requests there are.
#[apply(scene!)]
async fn readiness_costs_a_write_a_second(stage: Stage) {
    let app = stage
        .app_with(|options| {
            options.relay = false;
            options.worker = false;
        })
        .await;
    let written = "SELECT CAST(value AS bigint) AS n FROM meta WHERE name = 'readiness'";
    assert_eq!(app.number(written, []).await, 0);
    let began = Instant::now();
    let asked = (0..50).map(|_| ready(&app));
    let answers = futures_util::future::join_all(asked).await;
    let seconds = began.elapsed().as_secs() as i64;
    assert!(answers.iter().all(|answer| *answer == (200, String::new())), "{answers:?}");
    let writes = app.number(written, []).await;
    assert!((1..=seconds + 1).contains(&writes), "{writes} writes in {seconds} s");
}

/// A write queue that moves, or may yet move, is no failure; one that makes writers fail is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_with_a_busy_queue() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let event = app.organizer().await.event(10).await;
    app.settled().await;
    let held = app.hold_stock(&event).await;
    assert_eq!(ready(&app).await, (200, String::new()), "for as long as writers wait for their turn");
    held.release().await;

    let hasty = stage
        .app_with(|options| {
            options.relay = false; // so that nothing else is in the queue
            options.worker = false;
            options.db.queue = Duration::from_millis(1);
        })
        .await;
    let held = HeldStock::take(hasty.db(), &event).await;
    until_ready(&hasty, "DATABASE_STUCK").await;
    held.release().await;
    until_ready(&hasty, "").await;
}

/// Each cause has its code, and readiness returns by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_names_the_cause() {
    let stage = Stage::sqlite();
    let app = stage
        .app_with(|options| {
            options.relay = false;
            options.worker = false;
        })
        .await;
    let event = app.organizer().await.event(10).await;
    let customer = app.customer().await;
    until_ready(&app, "").await;
    // The failure closes the connection, so that it happens once; the result is kept for a second.
    pragma(&app, "query_only = 1").await;
    until_ready(&app, "DATABASE_READ_ONLY").await;
    until_ready(&app, "").await;

    let Target::Sqlite(path) = &stage.target else { unreachable!("asked for") };
    let aside = path.with_extension("aside");
    std::fs::rename(path, &aside).unwrap();
    until_ready(&app, "DATABASE_FILE_REPLACED").await;
    let refused = customer.book(&event, 1, "ALL_OR_NOTHING", None).await;
    assert_eq!(refused.fault(), "OVERLOADED", "{}", refused.body);
    std::fs::copy(&aside, path).unwrap();
    let refused = customer.book(&event, 1, "ALL_OR_NOTHING", None).await;
    assert_eq!(refused.fault(), "OVERLOADED", "another file is not the one that was opened: {}", refused.body);
    until_ready(&app, "DATABASE_FILE_REPLACED").await;
    std::fs::rename(&aside, path).unwrap();
    until_ready(&app, "").await;
    customer.books(&event, 1).await;
}

/// An unreachable server has one code, and the answer does not wait as long as a booking would.
#[apply(postgres_scene!)]
async fn a_server_that_is_away(stage: Stage) {
    let mut stage = stage;
    let Target::Postgres(url) = &stage.target else { unreachable!("asked for") };
    let wire = Proxy::to(url).await;
    stage.target = Target::Postgres(wire.url.clone());
    let app = stage
        .app_with(|options| {
            options.relay = false;
            options.worker = false;
            options.db.acquire = Some(Duration::from_secs(3_600));
        })
        .await;
    until_ready(&app, "").await;
    wire.cut_after(0, 1, Cut::UnheardForLong);
    let lost = |tx: Tx| async move { tx.execute_unprepared("SELECT 1").await.map(drop).map_err(DbError::from) };
    assert!(app.db().write(Priority::Worker, lost).await.is_err());
    until_ready(&app, "DATABASE_UNREACHABLE").await;
    wire.mend();
    wire.revive();
    until_ready(&app, "").await;
}

/// However much other clients read, bookings have connections of their own, also for the lookup of the session.
#[apply(scene!)]
async fn bookings_need_no_connection_of_viewers(stage: Stage) {
    let app = stage
        .app_with(|options| {
            options.db.read_connections = Some(1);
            options.patience = Duration::from_millis(100);
        })
        .await;
    let event = app.organizer().await.event(10).await;
    let viewers = app.db().viewers();
    let taken = Taken::from(viewers.read()).await;
    let read = app.anonymous().ask("{ events(first: 1) { nodes { title } } }", json!({})).await;
    assert_eq!(read.fault(), "OVERLOADED", "viewers have no connection left: {}", read.body);
    let customer = app.customer().await; // unknown to the process until now
    let fields = "outcome booking { reference event { title organizer { name } } }";
    let input = json!({ "eventId": event, "quantity": 1 });
    let booked = customer.mutate("createBooking", input, fields).await.ok();
    assert_eq!(booked.text("createBooking.booking.event.title"), "Rust Nation");
    app.settled().await;
    drop(taken);
    app.eventually("viewers read again", || async {
        app.anonymous().ask("{ events(first: 1) { nodes { title } } }", json!({})).await.fault().is_empty()
    })
    .await;
}

/// The only connection of a pool.
enum Taken {
    Sqlite(#[expect(dead_code, reason = "held")] sea_orm::sqlx::pool::PoolConnection<sea_orm::sqlx::Sqlite>),
    Postgres(#[expect(dead_code, reason = "held")] sea_orm::sqlx::pool::PoolConnection<sea_orm::sqlx::Postgres>),
}

impl Taken {
    async fn from(pool: &sea_orm::DatabaseConnection) -> Self {
        match pool.get_database_backend() {
            sea_orm::DbBackend::Sqlite => Self::Sqlite(pool.get_sqlite_connection_pool().acquire().await.unwrap()),
            _ => Self::Postgres(pool.get_postgres_connection_pool().acquire().await.unwrap()),
        }
    }
}
