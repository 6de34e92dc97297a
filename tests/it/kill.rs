//! Kill: the built program dies by SIGKILL at random instants during bookings; nothing is lost, nothing happens twice.
//! Not here: the invariants afterwards (`audit`), and connections that die while the program runs (`unclear`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use boxoffice::access::Role;
use boxoffice::clock::{Clock, Timestamp};
use boxoffice::db::{self, DbError, Priority, Target};
use boxoffice::id::RandomSource;
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::audit::{self, Promise};
use crate::harness::binary::{Guest, Place};
use crate::harness::{Answer, PATIENCE, apart, postgres, seeded};

#[cfg(target_os = "linux")]
mod full;
pub mod negative_control;

/// Number of times that the program is killed.
const ROUNDS: usize = 20;

/// Number of concurrent customers, with one open request each.
const CUSTOMERS: usize = 12;

/// Number of new services that die while they create their database.
const FIRST_STARTS: usize = 10;

/// Tickets of each event: one that sells out at once, one that sells out on the way, one that does not.
const CAPACITIES: [i64; 3] = [40, 400, 5_000];

const BOOK: &str = "mutation($input: CreateBookingInput!) { createBooking(input: $input) {
    booked waitlisted booking { id status createdAt } userErrors { code } } }";

const CANCEL: &str =
    "mutation($id: ID!) { cancelBooking(input: { bookingId: $id }) { booking { id } userErrors { code } } }";

/// A request of a customer, repeated until it is answered.
#[derive(Debug, Clone)]
enum AllocationRequest {
    Book { key: String, event: String, quantity: i64, fulfilment: &'static str },
    Cancel { nth: usize, booking: String },
}

/// A customer who books many tickets, and records every answer.
struct Customer {
    guest: Guest,
    random: RandomSource,
    events: Arc<Vec<String>>,
    asked: usize,
    open: Option<AllocationRequest>,
    /// Each order that was answered with tickets, and the promise of the answer.
    kept: Vec<(AllocationRequest, Promise)>,
    refused: usize,
    /// Number of repeated orders, and how many of those had been booked already when their answer was lost.
    again: usize,
    unheard: usize,
}

fn pick(random: &RandomSource, n: usize) -> usize {
    ((random.fraction() * n as f64) as usize).min(n - 1)
}

impl Customer {
    /// Returns the next request: mostly a booking, now and then a cancellation.
    fn next(&mut self) -> AllocationRequest {
        self.asked += 1;
        let live = self.kept.iter().position(|(_, promise)| promise.booking.is_some() && !promise.cancelled);
        if let (Some(nth), 0) = (live, pick(&self.random, 8)) {
            return AllocationRequest::Cancel { nth, booking: self.kept[nth].1.booking.clone().unwrap() };
        }
        AllocationRequest::Book {
            key: format!("order-{}", self.asked),
            event: self.events[pick(&self.random, self.events.len())].clone(),
            quantity: 1 + pick(&self.random, 5) as i64,
            fulfilment: ["ALL_OR_NOTHING", "PARTIAL", "PARTIAL_AND_WAITLIST"][pick(&self.random, 3)],
        }
    }

    async fn ask(&self, address: &str, request: &AllocationRequest) -> Option<Answer> {
        match request {
            AllocationRequest::Book { key, event, quantity, fulfilment } => {
                let input =
                    json!({ "eventId": event, "quantity": quantity, "fulfilment": fulfilment, "idempotencyKey": key });
                self.guest.try_ask(address, BOOK, json!({ "input": input })).await
            }
            AllocationRequest::Cancel { booking, .. } => {
                self.guest.try_ask(address, CANCEL, json!({ "id": booking })).await
            }
        }
    }

    fn promise(&self, event: &str, answer: &Answer) -> Promise {
        Promise {
            user: self.guest.user,
            event: event.to_owned(),
            booking: answer.at("createBooking.booking.id").as_str().map(str::to_owned),
            booked: answer.int("createBooking.booked"),
            queued: answer.int("createBooking.waitlisted"),
            cancelled: answer.at("createBooking.booking.status") == "CANCELLED",
        }
    }

    fn note(&mut self, request: AllocationRequest, answer: Answer, begun: Timestamp) {
        let made = answer.at("createBooking.booking.createdAt").as_str().and_then(Timestamp::from_rfc3339);
        self.unheard += usize::from(made.is_some_and(|made| made < begun));
        assert_eq!(answer.fault(), "", "{request:?}: {}", answer.body);
        match (&request, answer.refusal()) {
            (AllocationRequest::Book { event, .. }, "") => {
                let promise = self.promise(event, &answer);
                self.kept.push((request, promise));
            }
            (AllocationRequest::Book { .. }, "NOT_ENOUGH_TICKETS" | "ALREADY_WAITING") => self.refused += 1,
            // Repeated after its answer was lost.
            (AllocationRequest::Cancel { nth, .. }, "" | "ALREADY_CANCELLED") => self.kept[*nth].1.cancelled = true,
            (_, refusal) => panic!("{request:?}: {refusal}"),
        }
    }

    /// Sends requests, first the unanswered one, until the program is gone.
    async fn shop(mut self, address: String, round: Arc<Round>) -> Self {
        let begun = Clock::System.now();
        loop {
            self.again += usize::from(self.open.is_some());
            let request = self.open.take().unwrap_or_else(|| self.next());
            match self.ask(&address, &request).await {
                Some(answer) => {
                    self.note(request, answer, begun);
                    round.answers.fetch_add(1, Ordering::Relaxed);
                    round.heard.notify_one();
                }
                None => {
                    self.open = Some(request);
                    return self;
                }
            }
        }
    }

    /// Repeats the unanswered request, then all the others: the answers are the same.
    async fn insist(mut self, address: String) -> Self {
        let begun = Clock::System.now();
        if let Some(request) = self.open.take() {
            self.again += 1;
            let answer = self.ask(&address, &request).await.expect("an answer");
            self.note(request, answer, begun);
        }
        for (request, promise) in &self.kept {
            let AllocationRequest::Book { event, .. } = request else { continue };
            let answer = self.ask(&address, request).await.expect("an answer").ok();
            assert_eq!(self.promise(event, &answer), *promise, "{request:?} is answered as it was");
        }
        self
    }
}

/// The state shared by the customers of one round.
#[derive(Default)]
struct Round {
    answers: AtomicUsize,
    heard: Notify,
}

impl Round {
    async fn answered(&self, enough: usize) {
        let answers = async {
            while self.answers.load(Ordering::Relaxed) < enough {
                self.heard.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, answers).await.expect("answers");
    }
}

/// Lets a random number of short ticks pass.
async fn ticks(n: usize, each: Duration) {
    let mut pace = tokio::time::interval(each);
    for _ in 0..n {
        pace.tick().await;
    }
}

#[apply(scene!)]
async fn at_random_instants(stage: Stage) {
    let random = seeded("kill::at_random_instants");
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    let organizer = Guest::invite(&db, Role::Organizer, 1).await.remove(0);
    let guests = Guest::invite(&db, Role::Customer, CUSTOMERS).await;
    db.close().await;

    let mut served = place.serve().begin().ready().await;
    let mut events = Vec::new();
    for capacity in CAPACITIES {
        events.push(organizer.event(&served.address, capacity).await);
    }
    let events = Arc::new(events);
    let mut customers: Vec<Customer> = guests
        .into_iter()
        .map(|guest| Customer {
            guest,
            random: apart(&random),
            events: events.clone(),
            asked: 0,
            open: None,
            kept: Vec::new(),
            refused: 0,
            again: 0,
            unheard: 0,
        })
        .collect();

    let mut log = String::new();
    for _ in 0..ROUNDS {
        let round = Arc::new(Round::default());
        let mut shopping = JoinSet::new();
        for customer in customers.drain(..) {
            shopping.spawn(customer.shop(served.address.clone(), round.clone()));
        }
        round.answered(pick(&random, 120)).await;
        ticks(pick(&random, 12), Duration::from_millis(1)).await;
        log += &served.running.kill().await.stderr;
        customers = shopping.join_all().await;
        // Now and then it dies again before it is ready.
        if pick(&random, 4) == 0 {
            let stillborn = place.serve().begin();
            ticks(pick(&random, 40), Duration::from_millis(5)).await;
            log += &stillborn.kill().await.stderr;
        }
        served = place.serve().begin().ready().await;
    }
    log += &served.running.kill().await.stderr;

    // Workers died while they ran jobs. The test does not wait until their leases run out: it ends them.
    let db = place.db().await;
    let expire =
        |tx: db::Tx| async move { db::run(&tx, "UPDATE job SET lease_until = 1 WHERE state = 'running'", []).await };
    let orphans = db.write::<_, DbError, _, _>(Priority::Worker, expire).await.unwrap();
    db.close().await;

    let served = place.serve().begin().ready().await;
    let mut insisting = JoinSet::new();
    for customer in customers.drain(..) {
        insisting.spawn(customer.insist(served.address.clone()));
    }
    customers = insisting.join_all().await;
    let db = place.db().await;
    audit::rest(&db).await;
    served.running.signal(Signal::TERM);
    let ended = served.running.ended().await;
    log += &ended.stderr;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let promises: Vec<Promise> =
        customers.iter().flat_map(|customer| customer.kept.iter().map(|(_, promise)| promise.clone())).collect();
    let sum = |of: fn(&Customer) -> usize| customers.iter().map(of).sum::<usize>();
    println!(
        "killed {ROUNDS} times; {} orders answered with tickets, {} refused, {} asked again of which {} had happened, \
         {orphans} jobs orphaned",
        promises.len(),
        sum(|customer| customer.refused),
        sum(|customer| customer.again),
        sum(|customer| customer.unheard),
    );
    assert_eq!(audit::complaints(&db, &promises).await, Vec::<String>::new());
    assert!(!log.contains("panicked"), "{log}");
    // The log is the only channel: a line for each confirmation, at least once.
    let references: Vec<Reference> = db::all(db.read(), "SELECT reference FROM booking", []).await.unwrap();
    for Reference { reference } in references {
        assert!(log.contains(&format!("booking confirmed ref={reference} ")), "nobody logged {reference}");
    }
    db.close().await;
}

#[derive(sea_orm::FromQueryResult)]
struct Reference {
    reference: String,
}

/// The first start dies while it creates its database and its demo; the next one continues from there.
#[apply(scene!)]
async fn while_it_makes_its_database(stage: Stage) {
    let random = seeded("kill::while_it_makes_its_database");
    for _ in 0..FIRST_STARTS {
        let folder = tempfile::tempdir().unwrap();
        let target = match &stage.target {
            Target::Sqlite(_) => Target::Sqlite(folder.path().join("boxoffice.db")),
            Target::Postgres(_) => Target::Postgres(postgres::empty_database().await),
        };
        let place = Place::of(&target, folder.path());
        let stillborn = place.serve_demo().begin();
        ticks(pick(&random, 500), Duration::from_millis(1)).await;
        let log = stillborn.kill().await.stderr;
        let served = place.serve().begin().ready().await;
        let db = place.db().await;
        let organizer = Guest::invite(&db, Role::Organizer, 1).await.remove(0);
        organizer.event(&served.address, 1).await;
        audit::rest(&db).await;
        assert_eq!(audit::broken_invariants(&db).await, Vec::<String>::new(), "{log}");
        db.close().await;
    }
}

/// The same after the last step of the migration and before the row of `stream_head` exists.
#[apply(scene!)]
async fn before_the_history_has_its_head(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    let behead = |tx: db::Tx| async move { db::run(&tx, "DELETE FROM stream_head", []).await };
    db.write::<_, DbError, _, _>(Priority::Interactive, behead).await.unwrap();
    db.close().await;
    let served = place.serve().begin().ready().await;
    let db = place.db().await;
    let organizer = Guest::invite(&db, Role::Organizer, 1).await.remove(0);
    organizer.event(&served.address, 1).await;
    audit::rest(&db).await;
    assert_eq!(audit::complaints(&db, &[]).await, Vec::<String>::new());
}
