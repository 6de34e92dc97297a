//! The hot statements use their indexes: query plans of both databases, so that a forgotten index fails a test instead
//! of a sale.
//! Not here: how long anything takes. The texts mirror the named functions.

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::harness::TestApp;

/// Statement, where it stands, and the index its plan must name.
const HOT: &[(&str, &str, &str)] = &[
    (
        "queue::claim",
        "SELECT id FROM job WHERE queue = 'emails' AND state = 'available' AND run_at <= 5 ORDER BY priority, run_at, id LIMIT 9",
        "job_due",
    ),
    ("queue::claim::rescue", "SELECT id FROM job WHERE state = 'running' AND lease_until < 5", "job_leased"),
    ("relay::number", "SELECT pos FROM fact WHERE seq IS NULL ORDER BY pos LIMIT 9", "fact"),
    (
        "relay::history, a customer's",
        "SELECT id FROM fact WHERE user_id = X AND seq > 5 ORDER BY seq LIMIT 9",
        "fact_by_user",
    ),
    (
        "relay::history, an organizer's",
        "SELECT id FROM fact WHERE organizer_id = X AND seq > 5 ORDER BY seq LIMIT 9",
        "fact_by_organizer",
    ),
    (
        "notification::read::since",
        "SELECT seq FROM notice WHERE user_id = X AND seq > 5 ORDER BY seq LIMIT 9",
        "notice",
    ),
    ("notification::inbox", "SELECT seq FROM notice WHERE fact_id = X AND user_id = X", "notice_once"),
    (
        "notification::audience",
        "SELECT user_id FROM booking WHERE event_id = X AND user_id > X AND status = 'CONFIRMED'",
        "booking_by_audience",
    ),
    (
        "booking::list, mine",
        "SELECT id FROM booking WHERE user_id = X AND id < X ORDER BY id DESC LIMIT 9",
        "booking_by_user",
    ),
    (
        "booking::list, an event's",
        "SELECT id FROM booking WHERE event_id = X AND id < X ORDER BY id DESC LIMIT 9",
        "booking_by_event",
    ),
    (
        "booking::floor, head of the line",
        "SELECT id FROM waitlist_entry WHERE quota_id = X AND status = 'WAITING' ORDER BY line_no LIMIT 9",
        "waitlist_line",
    ),
    (
        "booking::list::positions",
        "SELECT count(*) FROM waitlist_entry WHERE quota_id = X AND status = 'WAITING' AND line_no <= 5",
        "waitlist_line",
    ),
    (
        "booking::floor, open entries",
        "SELECT id FROM waitlist_entry WHERE user_id = X AND ticket_type_id = X AND status = 'WAITING'",
        "waitlist_open",
    ),
    (
        "event::browse",
        "SELECT id FROM event WHERE status = 'PUBLISHED' AND (starts_at, id) > (5, X) ORDER BY starts_at, id LIMIT 9",
        "event_by_time",
    ),
    (
        "event::browse, an organizer's",
        "SELECT id FROM event WHERE organizer_id = X ORDER BY starts_at, id LIMIT 9",
        "event_by_organizer",
    ),
    (
        "idempotency::forget",
        "SELECT key FROM idempotency WHERE created_at < 5 ORDER BY created_at LIMIT 9",
        "idempotency_by_age",
    ),
];

#[derive(FromQueryResult)]
struct SqliteStep {
    detail: String,
}

async fn plan(app: &TestApp, sql: &str) -> String {
    let db = app.db().read();
    let backend = db.get_database_backend();
    let rows = |sql: String| db.query_all_raw(Statement::from_string(backend, sql));
    if app.db().is_sqlite() {
        let sql = format!("EXPLAIN QUERY PLAN {}", sql.replace('X', "x'00000000000000000000000000000000'"));
        let steps = rows(sql).await.unwrap();
        return steps
            .iter()
            .map(|row| SqliteStep::from_query_result(row, "").unwrap().detail)
            .collect::<Vec<_>>()
            .join("; ");
    }
    let sql = format!("EXPLAIN {}", sql.replace('X', "'00000000-0000-0000-0000-000000000000'::uuid"));
    let steps = rows(sql).await.unwrap();
    steps.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect::<Vec<_>>().join("; ")
}

scene! {
    async fn hot_statements_use_their_indexes(stage: Stage) {
        let app = stage.app_with(|options| {
            options.relay = false;
            options.worker = false;
        })
        .await;
        if !app.db().is_sqlite() {
            // A small table is read whole by choice; what is asked here is whether the index could serve.
            let sql = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database());
                       EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan = off', current_database()); END $$";
            app.sql(sql, []).await;
        }
        // New connections, new settings.
        let app = stage.app_with(|options| {
            options.relay = false;
            options.worker = false;
        })
        .await;
        let mut slow = Vec::new();
        for (place, sql, index) in HOT {
            let plan = plan(&app, sql).await;
            let whole = plan.contains("Seq Scan") || plan.split("; ").any(|step| step.starts_with("SCAN") && !step.contains("INDEX"));
            if whole || !plan.contains(index) {
                slow.push(format!("{place}: {plan} (expected {index})"));
            }
        }
        assert!(slow.is_empty(), "{}", slow.join("\n"));
    }
}
