//! Tests of the queue: interruptions, leases and fairness, with handlers of the test's own where it has to look inside.
//! Not here: the purpose of jobs (`notification`, `event`) and real crashes (`kill`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use boxoffice::booking::call_off;
use boxoffice::bus::Bus;
use boxoffice::db::{self, Priority};
use boxoffice::id::{EventId, NodeId};
use boxoffice::notification::fanout;
use boxoffice::queue::claim::{self, Kinds, Token, Wanted};
use boxoffice::queue::worker::{Handled, Handler, LEASE, Outcome, Worker};
use boxoffice::queue::{self, NewJob, Queue};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::harness::TestApp;
use crate::notification::fill;

const LONG: &[&str] = &[fanout::KIND, call_off::KIND];

fn worker(app: &TestApp, handlers: HashMap<&'static str, Handler>) -> Worker {
    Worker {
        ctx: app.app.ctx.clone(),
        bus: Bus::default(),
        handlers: Arc::new(handlers),
        long: LONG,
        lease: LEASE,
        enqueued: Arc::new(Notify::new()),
    }
}

fn token(n: usize) -> Token {
    Token(uuid::Uuid::from_u128(n as u128))
}

scene! {
    /// Each of many workers dies after one chunk: progress of the job counts, not the number of interruptions.
    async fn a_long_job_survives_any_number_of_crashes(stage: Stage) {
        let app = stage.app_with(|options| options.worker = false).await;
        let organizer = app.organizer().await;
        let id = organizer.event(1_100).await;
        fill(&app, &id, 1_000).await;
        organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.ok();
        app.reacted().await;
        let event = EventId::parse(&id).unwrap();
        for crash in 1..=4 {
            let held = claim::claim(app.db(), Wanted::up_to(10_000), app.clock.now(), LEASE, token(crash)).await.unwrap();
            let job = held.iter().find(|job| job.kind == call_off::KIND).expect("it still is tried");
            assert!(call_off::chunk(&app.app.ctx, event, Some((job.id, token(crash)))).await.unwrap());
            app.clock.advance(2 * LEASE);
            assert!(claim::rescue(app.db(), Kinds::Any, app.clock.now()).await.unwrap() > 0);
            // A worker that lost the job changes nothing any more.
            let sold = app.sold(&id).await;
            assert!(!call_off::chunk(&app.app.ctx, event, Some((job.id, token(crash)))).await.unwrap());
            assert_eq!(app.sold(&id).await, sold);
        }
        let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
        other.settled().await;
        assert_eq!(app.sold(&id).await, 0);
    }
}

scene! {
    /// A process that stops hands long jobs back between two chunks, and none of their attempts is spent.
    async fn a_stop_hands_long_jobs_back(stage: Stage) {
        let app = stage.app_with(|options| options.worker = false).await;
        let organizer = app.organizer().await;
        let id = organizer.event(1_200).await;
        fill(&app, &id, 1_100).await;
        organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.ok();
        app.reacted().await;
        let (ctx, stop) = (app.app.ctx.clone(), CancellationToken::new());
        stop.cancel();
        let handlers = HashMap::from([
            (call_off::KIND, call_off::handler(ctx.clone(), stop.clone())),
            (fanout::KIND, fanout::handler(ctx, Bus::default(), stop)),
        ]);
        let untouched = "SELECT count(*) AS n FROM job WHERE state = 'available' AND attempt = 0 AND crashes = 0
                         AND kind IN ('fanout', 'call_off') AND last_error = 'the process stops'";
        for _deploy in 0..4 {
            worker(&app, handlers.clone()).drain().await.unwrap();
            assert_eq!(app.number(untouched, []).await, 2);
            app.clock.advance(Duration::from_secs(2));
        }
        let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
        other.settled().await;
        assert_eq!(app.sold(&id).await, 0);
        assert_eq!(app.number("SELECT count(*) AS n FROM notice WHERE cause = 'event.cancelled'", []).await, 1_100);
    }
}

/// Returns a handler that counts its start, and waits until it may end.
fn patient(begun: &Arc<AtomicUsize>, may_end: &Arc<Semaphore>) -> Handler {
    let (begun, may_end) = (begun.clone(), may_end.clone());
    Arc::new(move |jobs, _| {
        let (begun, may_end) = (begun.clone(), may_end.clone());
        Box::pin(async move {
            begun.fetch_add(jobs.len(), Ordering::SeqCst);
            let _turn = may_end.acquire().await;
            Handled::all(&jobs, Outcome::Done)
        })
    })
}

async fn put(app: &TestApp, queue: &str, kind: &str, n: i64) {
    let sql = "INSERT INTO job (queue, kind, args, state, run_at, max_attempts, created_at)
               VALUES ($1, $2, '{}', 'available', 0, 3, 0)";
    for _ in 0..n {
        app.sql(sql, [queue.into(), kind.into()]).await;
    }
}

scene! {
    /// One claim holds more kinds than there are slots: a group that waits for a slot keeps the lease meanwhile, and
    /// nothing is started twice.
    async fn a_group_that_waits_keeps_its_lease(stage: Stage) {
        const KINDS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
        let app = stage.app_with(|options| options.worker = false).await;
        let (begun, may_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        for kind in KINDS {
            put(&app, "tickets", kind, 1).await;
        }
        let handlers = KINDS.map(|kind| (kind, patient(&begun, &may_end)));
        // The lease runs by the clock of the test, renewals by the real one.
        let worker = Worker { lease: Duration::from_millis(600), ..worker(&app, HashMap::from(handlers)) };
        let draining = tokio::spawn({
            let worker = worker.clone();
            async move { worker.drain().await.unwrap() }
        });
        app.eventually("all tickets are taken", || async { begun.load(Ordering::SeqCst) == 5 }).await;
        app.clock.advance(Duration::from_millis(300));
        let renewed = "SELECT count(*) AS n FROM job WHERE state = 'running' AND lease_until > $1";
        let at_first = app.clock.now().plus(Duration::from_millis(300));
        app.eventually("every lease was renewed", || async { app.number(renewed, [at_first.into()]).await == 7 }).await;
        may_end.add_permits(100);
        draining.await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 7, "each once");
        assert_eq!(app.number("SELECT count(*) AS n FROM job WHERE state = 'succeeded' AND attempt = 1", []).await, 7);
    }
}

scene! {
    /// More e-mails are due than a claim holds, and more long jobs than there are slots: all other jobs continue.
    async fn nobody_keeps_the_others_waiting(stage: Stage) {
        let app = stage.app_with(|options| options.worker = false).await;
        let (begun, may_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (mails, other) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let free = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let handlers = HashMap::from([
            (call_off::KIND, patient(&begun, &may_end)),
            ("mail", patient(&mails, &free)),
            ("other", patient(&other, &free)),
        ]);
        let stop = CancellationToken::new();
        let working = tokio::spawn(worker(&app, handlers).run(stop.clone()));
        // One after the other, so that each is a group of its own.
        for n in 1..=2 {
            put(&app, "notifications", call_off::KIND, 1).await;
            app.eventually("it is begun", || async { begun.load(Ordering::SeqCst) == n }).await;
        }
        put(&app, "notifications", call_off::KIND, 4).await;
        put(&app, "emails", "mail", 1).await;
        app.eventually("quick jobs have tickets of their own", || async { mails.load(Ordering::SeqCst) == 1 }).await;
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        assert_eq!(app.number("SELECT count(*) AS n FROM job WHERE state = 'available'", []).await, 4, "nobody hoards them");
        may_end.add_permits(100);
        app.settled().await;
        assert_eq!(begun.load(Ordering::SeqCst), 6);
        stop.cancel();
        working.await.unwrap();

        // Three claims, each beginning at another queue, and more mails than two of them hold.
        put(&app, "emails", "mail", 5).await;
        put(&app, "notifications", "other", 1).await;
        let mut kinds = Vec::new();
        for first in 0..3 {
            let wanted = Wanted { limit: 2, first, kinds: Kinds::Any };
            let jobs = claim::claim(app.db(), wanted, app.clock.now(), LEASE, token(first)).await.unwrap();
            kinds.push(jobs.into_iter().map(|job| job.kind).collect::<Vec<_>>());
        }
        assert_eq!(kinds, [["mail", "mail"], ["mail", "other"], ["mail", "mail"]]);
    }
}

/// Returns a handler that never succeeds.
fn failing() -> Handler {
    Arc::new(|jobs, _| Box::pin(async move { Handled::all(&jobs, Outcome::Retry("not today".into())) }))
}

#[derive(sea_orm::FromQueryResult)]
struct Attempted {
    state: String,
    attempt: i64,
    run_at: i64,
}

scene! {
    /// The backoff of each queue as its jobs really wait: stored with each failure, observed by the next claim, and
    /// none after the last attempt.
    async fn each_queue_waits_as_its_policy_says(stage: Stage) {
        let app = stage.app_with(|options| options.worker = false).await;
        let worker = worker(&app, HashMap::from([("fails", failing())]));
        for (queue, waits) in [
            (Queue::Emails, vec![2, 4, 8, 16]),
            (Queue::Notifications, vec![1, 2]),
            (Queue::Tickets, vec![5, 5]),
        ] {
            let job = &[NewJob::new(queue, "fails", &json!({}), app.clock.now())];
            let put = |tx: db::Tx| async move { queue::enqueue(&tx, job).await };
            app.db().write::<_, db::DbError, _, _>(Priority::Interactive, put).await.unwrap();
            let look = || async {
                let sql = "SELECT state, attempt, run_at FROM job ORDER BY id DESC LIMIT 1";
                let row: Option<Attempted> = db::one(app.db().read(), sql, []).await.unwrap();
                row.unwrap()
            };
            let attempts = waits.len() as i64 + 1;
            for (failed, seconds) in (1..).zip(waits) {
                worker.drain().await.unwrap();
                let job = look().await;
                assert_eq!((job.state.as_str(), job.attempt), ("available", failed), "{queue:?}");
                let wait = Duration::from_micros((job.run_at - app.clock.now().0).try_into().unwrap());
                let exact = Duration::from_secs(seconds);
                assert!(wait >= exact.mul_f64(0.9) && wait <= exact.mul_f64(1.1), "{queue:?}, {failed}: {wait:?}");
                app.clock.advance(wait - Duration::from_micros(1));
                worker.drain().await.unwrap();
                assert_eq!(look().await.attempt, failed, "{queue:?}: not a moment sooner");
                app.clock.advance(Duration::from_micros(1));
            }
            worker.drain().await.unwrap();
            let job = look().await;
            assert_eq!((job.state.as_str(), job.attempt), ("dead", attempts), "{queue:?}");
            app.clock.advance(Duration::from_secs(3_600));
            worker.drain().await.unwrap();
            assert_eq!(look().await.attempt, attempts, "{queue:?}: nobody tries it again");
        }
    }
}
