//! Tests of retention: the rows that are deleted, the time of it, and the rows that are kept for ever.
//! Not here: sessions and throttles (`account`).

use std::time::Duration;

use boxoffice::clock::Timestamp;
use boxoffice::retention::{self, Settings};
use tokio_util::sync::CancellationToken;

use crate::harness::TestApp;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Returns a statement that inserts rows with ids made of `i`, which counts from 1 to `$1`.
fn numbered(app: &TestApp, insert: &str) -> String {
    let (numbers, uuid) = match app.db().is_sqlite() {
        true => ("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < $1)", "randomblob(16)"),
        false => ("WITH s(i) AS (SELECT generate_series(1, CAST($1 AS bigint)))", "gen_random_uuid()"),
    };
    format!("{numbers} {}", insert.replace("{uuid}", uuid))
}

/// Inserts jobs in a state, ended at an instant or never.
async fn jobs(app: &TestApp, n: i64, state: &str, ended: Option<Timestamp>) {
    let sql = numbered(
        app,
        "INSERT INTO job (queue, kind, args, state, run_at, max_attempts, created_at, finished_at, unique_key)
         SELECT 'emails', 'old', '{}', CAST($2 AS text), 9000000000000000, 3, 0, CAST($3 AS bigint), CAST($2 AS text) || i || CAST($4 AS text) FROM s",
    );
    let tag = ended.map_or(String::new(), |ended| format!("-{}", ended.0));
    app.sql(&sql, [n.into(), state.into(), ended.map(|ended| ended.0).into(), tag.into()]).await;
}

async fn deliveries(app: &TestApp, n: i64, at: Timestamp) {
    let sql = numbered(
        app,
        "INSERT INTO delivery (domain_event_id, user_id, channel, state, attempts, delivered_at)
         SELECT {uuid}, {uuid}, 'log', 'sent', 1, CAST($2 AS bigint) FROM s",
    );
    app.sql(&sql, [n.into(), at.0.into()]).await;
}

async fn answers(app: &TestApp, n: i64, at: Timestamp) {
    let sql = numbered(
        app,
        "INSERT INTO idempotency (user_id, key, operation, fingerprint, outcome, created_at)
         SELECT {uuid}, 'k' || i, 'createBooking', 'f', '{}', CAST($2 AS bigint) FROM s",
    );
    app.sql(&sql, [n.into(), at.0.into()]).await;
}

/// Returns the numbers of succeeded jobs, dead jobs, deliveries and answers.
async fn left(app: &TestApp) -> [i64; 4] {
    [
        app.number("SELECT count(*) AS n FROM job WHERE state = 'succeeded'", []).await,
        app.number("SELECT count(*) AS n FROM job WHERE state IN ('dead', 'cancelled')", []).await,
        app.number("SELECT count(*) AS n FROM delivery", []).await,
        app.number("SELECT count(*) AS n FROM idempotency", []).await,
    ]
}

/// Each kind of row is deleted when its own time is over and not a moment sooner, in any number of chunks;
/// unfinished rows stay, and so do domain events and notices.
#[apply(scene!)]
async fn each_trace_is_kept_for_its_time(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    customer.books(&event, 1).await;
    app.reacted().await;
    let (now, keep, stop) = (app.clock.now(), Settings::default(), CancellationToken::new());
    let open = app.number("SELECT count(*) AS n FROM job", []).await;
    let history = "SELECT (SELECT count(*) FROM domain_event) + (SELECT count(*) FROM notice) AS n";
    let remembered = app.number(history, []).await;
    jobs(&app, 1_200, "succeeded", Some(now)).await;
    jobs(&app, 700, "dead", Some(now)).await;
    jobs(&app, 3, "cancelled", Some(now)).await;
    jobs(&app, 2, "available", None).await;
    deliveries(&app, 1_100, now).await;
    answers(&app, 2_300, now).await;
    let mut expected = [1_200, 703, 1_100, 2_300];
    for (after, kinds) in [(2 * DAY, &[3][..]), (7 * DAY, &[0]), (90 * DAY, &[1, 2])] {
        app.clock.advance(Duration::from_micros((now.plus(after).0 - app.clock.now().0).try_into().unwrap()));
        assert_eq!(retention::sweep(&app.app.ctx, &keep, &stop).await, 0, "not yet");
        assert_eq!(left(&app).await, expected);
        app.clock.advance(Duration::from_micros(1));
        let mut gone = 0;
        for kind in kinds {
            gone += std::mem::take(&mut expected[*kind]);
        }
        assert_eq!(retention::sweep(&app.app.ctx, &keep, &stop).await, gone as u64);
        assert_eq!(left(&app).await, expected);
    }
    app.clock.advance(3_650 * DAY);
    assert_eq!(retention::sweep(&app.app.ctx, &keep, &stop).await, 0);
    assert_eq!(app.number("SELECT count(*) AS n FROM job", []).await, open + 2, "what has not ended");
    assert_eq!(app.number(history, []).await, remembered);
}

/// The worker sweeps by itself, as its settings say; bookings continue meanwhile, and a stop is not delayed.
#[apply(scene!)]
async fn the_worker_sweeps(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(99).await;
    let now = app.clock.now();
    jobs(&app, 6_000, "succeeded", Some(now)).await;
    deliveries(&app, 3_000, now).await;
    app.clock.advance(DAY);
    let customer = app.renewed(&customer).await;
    let keep = Settings { jobs: DAY / 2, deliveries: 2 * DAY, ..Settings::default() };
    let stopped = CancellationToken::new();
    stopped.cancel();
    assert_eq!(retention::sweep(&app.app.ctx, &keep, &stopped).await, 0, "a stop comes first");
    let worker = stage.app_with(|options| (options.clock, options.retention) = (app.clock.clone(), keep)).await;
    for _ in 0..20 {
        customer.books(&event, 1).await;
    }
    worker
        .eventually("old jobs are gone", || async {
            worker.number("SELECT count(*) AS n FROM job WHERE kind = 'old'", []).await == 0
        })
        .await;
    worker.settled().await;
    let kept = "SELECT count(*) AS n FROM delivery WHERE delivered_at = $1";
    assert_eq!(app.number(kept, [now.into()]).await, 3_000);
    assert_eq!(app.sold(&event).await, 20);
}
