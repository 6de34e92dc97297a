//! Tests of the queue: interruptions, leases and fairness, with handlers of the test's own where it has to look inside.
//! Not here: the purpose of jobs (`notification`, `event`) and real crashes (`kill`).

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use boxoffice::booking::call_off::{self, CallOff};
use boxoffice::bus::Bus;
use boxoffice::db::{self, DbError, Priority};
use boxoffice::id::{EventId, NodeId};
use boxoffice::jobs;
use boxoffice::notification::fanout::FanningOut;
use boxoffice::queue::claim::{self, Job, Source, Token};
use boxoffice::queue::registry::{Handled, Outcome, Registry, RegistryError, Run, RunBatch};
use boxoffice::queue::worker::{LEASE, Worker};
use boxoffice::queue::{self, JobKind, NewJob, Queue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::architecture::sources;
use crate::harness::TestApp;
use crate::notification::fill;

fn worker(app: &TestApp, registry: Registry) -> Worker {
    Worker { ctx: app.app.ctx.clone(), bus: Bus::default(), registry, lease: LEASE, enqueued: Arc::new(Notify::new()) }
}

fn token(n: usize) -> Token {
    Token(uuid::Uuid::from_u128(n as u128))
}

/// Claims every due job of the kinds that this release knows.
pub async fn claim_all(app: &TestApp, lease: Duration, token: Token) -> Vec<Job> {
    let of_kind = |kind| Queue::ALL.map(|queue| (Source { queue, kind }, 10_000));
    let wanted: Vec<_> = jobs::KINDS.into_iter().flat_map(of_kind).collect();
    claim::claim(app.db(), &wanted, app.clock.now(), lease, token).await.unwrap().concat()
}

/// Each of many workers dies after one chunk: progress of the job counts, not the number of interruptions.
#[apply(scene!)]
async fn a_long_job_survives_any_number_of_crashes(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let id = organizer.event(1_100).await;
    fill(&app, &id, 1_000).await;
    organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.ok();
    app.reacted().await;
    let event = EventId::parse(&id).unwrap();
    for crash in 1..=4 {
        let held = claim_all(&app, LEASE, token(crash)).await;
        let job = held.iter().find(|job| job.kind == CallOff::KIND).expect("it still is tried");
        assert!(call_off::chunk(&app.app.ctx, event, Some(job.held())).await.unwrap());
        app.clock.advance(2 * LEASE);
        assert!(claim::rescue(app.db(), &jobs::KINDS, app.clock.now()).await.unwrap() > 0);
        // A worker that lost the job changes nothing any more.
        let sold = app.sold(&id).await;
        assert!(!call_off::chunk(&app.app.ctx, event, Some(job.held())).await.unwrap());
        assert_eq!(app.sold(&id).await, sold);
    }
    let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
    other.settled().await;
    assert_eq!(app.sold(&id).await, 0);
}

/// A process that stops hands long jobs back between two chunks, and none of their attempts is spent.
#[apply(scene!)]
async fn a_stop_hands_long_jobs_back(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let id = organizer.event(1_200).await;
    fill(&app, &id, 1_100).await;
    organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.ok();
    app.reacted().await;
    let (ctx, stop) = (app.app.ctx.clone(), CancellationToken::new());
    stop.cancel();
    let registry = Registry::default().single(call_off::handler(ctx.clone(), stop.clone())).unwrap();
    let registry = registry.single(FanningOut { ctx, bus: Bus::default(), stop }).unwrap();
    let untouched = "SELECT count(*) AS n FROM job WHERE state = 'available' AND attempt = 0 AND crashes = 0
                     AND kind IN ('fanout', 'call_off') AND last_error = 'the process stops'";
    for _deploy in 0..4 {
        worker(&app, registry.clone()).drain().await.unwrap();
        assert_eq!(app.number(untouched, []).await, 2);
        app.clock.advance(Duration::from_secs(3)); // longer than the wait of a job that is put back
    }
    let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
    other.settled().await;
    assert_eq!(app.sold(&id).await, 0);
    assert_eq!(app.number("SELECT count(*) AS n FROM notice WHERE cause = 'event.cancelled'", []).await, 1_100);
}

/// Declares kinds of job for these tests.
macro_rules! kinds {
    ($($name:ident = $kind:literal, is_long: $is_long:literal;)*) => {$(
        #[derive(Clone, Copy, Serialize, Deserialize)]
        struct $name {}

        impl JobKind for $name {
            const KIND: &'static str = $kind;
            const IS_LONG: bool = $is_long;
        }
    )*};
}

kinds! {
    Mail = "mail", is_long: false;
    Other = "other", is_long: false;
    Slow = "slow", is_long: true;
}

/// Handler that counts the jobs begun, and the most at once, and ends each when it is told to.
struct Patient<K> {
    begun: Arc<AtomicUsize>,
    at_once: AtomicUsize,
    most: Arc<AtomicUsize>,
    may_end: Arc<Semaphore>,
    kind: PhantomData<fn() -> K>,
}

impl<K: JobKind> Patient<K> {
    fn new(may_end: &Arc<Semaphore>) -> Self {
        let (begun, at_once, most) = (Arc::default(), AtomicUsize::new(0), Arc::default());
        Self { begun, at_once, most, may_end: may_end.clone(), kind: PhantomData }
    }
}

impl<K: JobKind> Run for Patient<K> {
    type Kind = K;

    async fn run(&self, _: K, _: Job) -> Outcome {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(self.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.may_end.acquire().await.unwrap().forget();
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        Outcome::Done
    }
}

fn hung() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

fn free() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1_000_000))
}

async fn put(app: &TestApp, queue: &str, kind: &str, n: i64) {
    let sql = "INSERT INTO job (queue, kind, args, state, run_at, max_attempts, created_at)
               VALUES ($1, $2, '{}', 'available', 0, 3, 0)";
    for _ in 0..n {
        app.sql(sql, [queue.into(), kind.into()]).await;
    }
}

async fn count(app: &TestApp, condition: &str) -> i64 {
    app.number(&format!("SELECT count(*) AS n FROM job WHERE {condition}"), []).await
}

/// Twelve jobs are due: five are in work, their leases are renewed and the others are left to other processes. Each
/// completes when it ends, while the others still run, and makes room for the next.
#[apply(scene!)]
async fn a_queue_works_on_five_jobs_at_once(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let may_end = hung();
    let mails = Patient::<Mail>::new(&may_end);
    let (begun, most) = (mails.begun.clone(), mails.most.clone());
    put(&app, "emails", "mail", 12).await;
    // The lease runs by the clock of the test, renewals by the real one.
    let registry = Registry::default().single(mails).unwrap();
    let worker = Worker { lease: Duration::from_millis(600), ..worker(&app, registry) };
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    app.eventually("five are begun", || async { begun.load(Ordering::SeqCst) == 5 }).await;
    assert_eq!(count(&app, "state = 'available' AND attempt = 0").await, 7, "the others are not hoarded");
    app.clock.advance(Duration::from_millis(300));
    let renewed = "SELECT count(*) AS n FROM job WHERE state = 'running' AND lease_until > $1";
    let at_first = app.clock.now().plus(Duration::from_millis(300));
    app.eventually("every lease was renewed", || async { app.number(renewed, [at_first.into()]).await == 5 }).await;
    for ended in 1..=3 {
        may_end.add_permits(1);
        app.eventually("it completes", || async { count(&app, "state = 'succeeded'").await == ended }).await;
        app.eventually("the next begins", || async { begun.load(Ordering::SeqCst) == 5 + ended as usize }).await;
    }
    assert_eq!(count(&app, "state = 'running'").await, 5);
    may_end.add_permits(9);
    app.settled().await;
    stop.cancel();
    working.await.unwrap();
    assert_eq!((begun.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (12, 5));
    assert_eq!(count(&app, "state = 'succeeded' AND attempt = 1").await, 12);
}

/// The jobs of one queue hang, and all places for long jobs are taken: the jobs of the other queues run.
#[apply(scene!)]
async fn a_queue_that_hangs_delays_no_other(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (may_end, free) = (hung(), free());
    let (mails, slow, others) =
        (Patient::<Mail>::new(&may_end), Patient::<Slow>::new(&may_end), Patient::<Other>::new(&free));
    let (mails_begun, slow_begun) = (mails.begun.clone(), slow.begun.clone());
    let registry = Registry::default().single(mails).unwrap().single(slow).unwrap().single(others).unwrap();
    put(&app, "emails", "mail", 120).await;
    put(&app, "notifications", "slow", 4).await;
    put(&app, "notifications", "other", 7).await;
    put(&app, "tickets", "other", 7).await;
    put(&app, "emails", "other", 1).await;
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker(&app, registry).run(stop.clone()));
    app.eventually("the others ran", || async { count(&app, "state = 'succeeded'").await == 14 }).await;
    app.eventually("places fill", || async {
        (mails_begun.load(Ordering::SeqCst), slow_begun.load(Ordering::SeqCst)) == (5, 2)
    })
    .await;
    assert_eq!(count(&app, "state = 'available' AND attempt = 0").await, 115 + 2 + 1, "none is hoarded");
    may_end.add_permits(1_000);
    app.settled().await;
    stop.cancel();
    working.await.unwrap();
    assert_eq!(count(&app, "state = 'succeeded' AND attempt = 1").await, 139);
}

/// Job of a batch kind.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Post {
    n: i64,
}

impl JobKind for Post {
    const KIND: &'static str = "post";
    const QUEUE: Option<Queue> = Some(Queue::Emails);
}

/// Handler of batches in which job 1 panics, 2 fails, 4 has no outcome, and the effects of 5 cannot be written.
struct Posting {
    calls: Arc<Mutex<Vec<usize>>>,
}

impl RunBatch for Posting {
    type Kind = Post;

    async fn run_batch(&self, jobs: Vec<(Post, Job)>) -> Handled {
        self.calls.lock().unwrap().push(jobs.len());
        assert!(jobs.iter().all(|(post, _)| post.n != 1), "this panic is part of the test");
        let numbers: HashMap<i64, i64> = jobs.iter().map(|(post, job)| (job.id, post.n)).collect();
        let outcome = |n: i64| if n == 2 { Outcome::Retry("not today".into()) } else { Outcome::Done };
        let outcomes = numbers.iter().filter(|(_, n)| **n != 4).map(|(id, n)| (*id, outcome(*n))).collect();
        let write = move |tx: db::Tx, ours: Vec<i64>| {
            let numbers = numbers.clone();
            async move {
                for id in ours {
                    let table = if numbers[&id] == 5 { "nowhere" } else { "job" };
                    let sql = format!("UPDATE {table} SET progress = 'written' WHERE id = $1");
                    db::run(&tx, &sql, [id.into()]).await?;
                }
                Ok::<_, DbError>(())
            }
        };
        Handled { outcomes, effects: Some(Arc::new(move |tx, ours| Box::pin(write(tx, ours)))) }
    }
}

async fn post(app: &TestApp, numbers: impl Iterator<Item = i64>) {
    let jobs: Vec<NewJob> = numbers.map(|n| NewJob::new(&Post { n }, app.clock.now())).collect();
    let jobs = &jobs;
    let put = |tx: db::Tx| async move { queue::enqueue(&tx, jobs).await };
    app.db().write::<_, DbError, _, _>(Priority::Interactive, put).await.unwrap();
}

/// A job of a batch that fails, panics, cannot be read or cannot be completed fails alone.
#[apply(scene!)]
async fn a_failing_job_of_a_batch_fails_alone(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let worker = worker(&app, Registry::default().batch(Posting { calls: calls.clone() }).unwrap());
    post(&app, 4..=7).await;
    worker.drain().await.unwrap();
    assert_eq!(*calls.lock().unwrap(), [4], "one batch, which ran once");
    assert_eq!(count(&app, "state = 'succeeded' AND attempt = 1 AND progress = 'written'").await, 2);
    let without = "state = 'available' AND attempt = 1 AND progress IS NULL AND last_error LIKE";
    assert_eq!(count(&app, &format!("{without} '%no outcome%'")).await, 1);
    assert_eq!(count(&app, &format!("{without} '%nowhere%'")).await, 1);
    app.sql("DELETE FROM job", []).await;
    calls.lock().unwrap().clear();

    post(&app, 1..=8).await;
    app.sql("UPDATE job SET args = '{\"n\":\"three\"}' WHERE args = '{\"n\":3}'", []).await;
    worker.drain().await.unwrap();
    assert_eq!(calls.lock().unwrap()[0], 7, "one batch of those that can be read");
    assert_eq!(count(&app, "state = 'succeeded' AND attempt = 1 AND progress = 'written'").await, 3);
    for error in ["panic", "not today", "%no outcome%", "%nowhere%"] {
        assert_eq!(count(&app, &format!("{without} '{error}'")).await, 1, "{error}");
    }
    let unreadable = "state = 'dead' AND attempt = 1 AND last_error LIKE 'the arguments of the job cannot be read: %'";
    assert_eq!(count(&app, unreadable).await, 1);
}

#[test]
fn a_kind_has_one_handler_and_none_is_missing() {
    let registry = || Registry::default().single(Patient::<Mail>::new(&free())).unwrap();
    let twice = registry().single(Patient::<Mail>::new(&free())).err();
    assert!(matches!(twice, Some(RegistryError::Duplicate("mail"))), "{twice:?}");
    assert!(registry().with_all_of(&["mail"]).is_ok());
    let missing = registry().with_all_of(&["mail", "other"]).err();
    assert!(matches!(missing, Some(RegistryError::Missing("other"))), "{missing:?}");
}

/// Every start checks that each kind of the list has a handler; this checks that the list has each kind of the code.
#[test]
fn the_list_of_kinds_is_that_of_the_code() {
    let kind_of = |text: &str| {
        let name = text.split("const KIND: &'static str = \"").nth(1)?;
        Some(name.split('"').next()?.to_owned())
    };
    let mut declared: Vec<String> = Vec::new();
    for (_, text) in sources("src") {
        declared.extend(text.split("\nimpl JobKind for ").skip(1).filter_map(kind_of));
    }
    let mut listed = jobs::KINDS.to_vec();
    listed.sort_unstable();
    declared.sort_unstable();
    assert_eq!(declared, listed);
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Failing {}

impl JobKind for Failing {
    const KIND: &'static str = "fails";
}

impl Run for Failing {
    type Kind = Self;

    async fn run(&self, _: Self, _: Job) -> Outcome {
        Outcome::Retry("not today".into())
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Attempted {
    state: String,
    attempt: i64,
    run_at: i64,
}

/// The backoff of each queue as its jobs really wait: stored with each failure, observed by the next claim, and
/// none after the last attempt.
#[apply(scene!)]
async fn each_queue_waits_as_its_policy_says(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let worker = worker(&app, Registry::default().single(Failing {}).unwrap());
    for (queue, waits) in [
        (Some(Queue::Emails), vec![2, 4, 8, 16]),
        (Some(Queue::Notifications), vec![1, 2]),
        (Some(Queue::Tickets), vec![5, 5]),
        (None, vec![2, 4]), // a kind without a queue of its own
    ] {
        let job = &[NewJob::new(&Failing {}, app.clock.now()).in_queue(queue)];
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
