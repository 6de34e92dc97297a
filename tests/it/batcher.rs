//! Tests of the batcher: several orders are decided in one commit, and a bad order affects only itself.
//! Not here: the allocation of tickets (`allocate`, `booking`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use boxoffice::app::Options;
use boxoffice::booking::batcher::Settings;
use futures_util::future::join_all;

/// Lets one lane decide all orders, and nothing else write meanwhile.
fn one_lane(options: &mut Options) {
    options.batcher = Some(Settings { lanes: 1, batch_max: 256 });
    options.relay = false;
    options.worker = false;
}

/// While the writer is busy, orders gather; then one commit answers all of them.
#[apply(scene!)]
async fn one_commit_answers_many(stage: Stage) {
    let app = stage.app_with(one_lane).await;
    let organizer = app.organizer().await;
    let people = app.customers(20).await;
    let event = organizer.event(100).await;
    let stats = app.app.services.batcher.stats();
    let (batches, orders) = (stats.batches.load(Ordering::Relaxed), stats.orders.load(Ordering::Relaxed));
    // The test holds the event's lock: the first batch waits for it, and all other orders gather behind.
    let lock = app.hold_stock(&event).await;
    let asked = tokio::spawn({
        let (people, event) = (people.clone(), event.clone());
        async move { join_all(people.iter().map(|person| person.books(&event, 2))).await }
    });
    app.eventually("all orders are in", || async {
        stats.submitted.load(Ordering::Relaxed) == orders + people.len() as u64
    })
    .await;
    lock.release().await;
    assert_eq!(asked.await.unwrap().len(), 20);
    let committed = stats.batches.load(Ordering::Relaxed) - batches;
    assert!(committed < 20, "{committed} commits for 20 orders");
    assert!(stats.largest.load(Ordering::Relaxed) > 1, "no batch held more than one order");
    assert_eq!(app.sold(&event).await, 40);
    app.assert_sound(&event).await;
}

/// Orders of one customer in one batch get the same answers as if they had come one by one.
#[apply(scene!)]
async fn orders_of_one_customer_share_a_batch(stage: Stage) {
    let app = stage.app_with(one_lane).await;
    let organizer = app.organizer().await;
    let (eager, other) = (app.customer().await, app.customer().await);
    let event = organizer.event(3).await;
    let stats = app.app.services.batcher.stats();
    let lock = app.hold_stock(&event).await;
    let (batches, mut asked) = (stats.batches.load(Ordering::Relaxed), Vec::new());
    let orders = [(&other, 2), (&eager, 2), (&eager, 2), (&other, 2), (&eager, 3)];
    for (at, (person, quantity)) in orders.into_iter().enumerate() {
        let (person, event) = (person.clone(), event.clone());
        asked.push(tokio::spawn(async move { person.book(&event, quantity, "PARTIAL_AND_WAITLIST", None).await }));
        app.eventually("it is in", || async { stats.submitted.load(Ordering::Relaxed) == at as u64 + 1 }).await;
    }
    lock.release().await;
    let answers: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    // The first may have been a batch by itself; the four behind it were one.
    assert!(stats.batches.load(Ordering::Relaxed) - batches <= 2);
    assert!(stats.largest.load(Ordering::Relaxed) >= 4);
    let told: Vec<(i64, i64)> = [0, 1, 3, 4]
        .map(|at: usize| (answers[at].int("createBooking.booked"), answers[at].int("createBooking.waitlisted")))
        .to_vec();
    assert_eq!(told, [(2, 0), (1, 1), (0, 2), (0, 3)]);
    assert_eq!(answers[2].refusal(), "ALREADY_WAITING", "the second click on one button");
    assert_eq!(app.sold(&event).await, 3);
    let waiting = "SELECT count(*) AS n FROM waitlist_entry WHERE status = 'WAITING'";
    assert_eq!(app.number(waiting, []).await, 3);
    app.assert_sound(&event).await;
}

/// An order for a locked event does not delay the others of its batch. (SQLite has one writer.)
#[apply(postgres_scene!)]
async fn a_held_event_costs_itself(stage: Stage) {
    let app = stage
        .app_with(|options| {
            one_lane(options);
            options.db.lock = Duration::from_secs(3);
        })
        .await;
    let (organizer, people) = (app.organizer().await, app.customers(3).await);
    let (held, open) = (organizer.event(10).await, organizer.event(10).await);
    let stats = app.app.services.batcher.stats();
    let lock = app.hold_stock(&held).await;
    let mut asked = Vec::new();
    // The first waits by itself; the two behind it make one batch.
    for (at, event) in [&held, &held, &open].into_iter().enumerate() {
        let (person, event) = (people[at].clone(), event.clone());
        asked.push(tokio::spawn(async move { person.book(&event, 1, "ALL_OR_NOTHING", None).await }));
        app.eventually("it is in", || async { stats.submitted.load(Ordering::Relaxed) == at as u64 + 1 }).await;
    }
    let at_the_open = asked.pop().unwrap().await.unwrap();
    assert_eq!(at_the_open.ok().int("createBooking.booked"), 1, "while the other event is held");
    lock.release().await;
    let mut answers = join_all(asked).await.into_iter().map(Result::unwrap);
    assert_eq!(answers.next().unwrap().fault(), "OVERLOADED", "nobody waits for ever");
    assert_eq!(answers.next().unwrap().ok().int("createBooking.booked"), 1, "its turn came after the others'");
    assert_eq!((app.sold(&held).await, app.sold(&open).await), (1, 1));
}

/// A request that no transaction can complete affects only itself; the others of its batch are decided as if it had
/// never come.
#[apply(scene!)]
async fn a_bad_request_costs_itself(stage: Stage) {
    let app = stage.app_with(one_lane).await;
    let organizer = app.organizer().await;
    let mut people = app.customers(9).await;
    let event = organizer.event(100).await;
    // Her account is deleted behind the service's back, so that her booking violates a foreign key: nothing that
    // the batcher reads beforehand could tell.
    let culprit = people.remove(4);
    culprit.ask("{ viewer { id } }", serde_json::json!({})).await.ok();
    let lock = app.hold_stock(&event).await;
    let gone = boxoffice::booking::order::Request {
        user: boxoffice::id::UserId(uuid::Uuid::from_u128(99)),
        order: boxoffice::booking::order::Order {
            event: boxoffice::id::NodeId::parse(&event).unwrap(),
            slot: None,
            items: Vec::new(),
            quantity: Some(1),
            fulfilment: boxoffice::status::Fulfilment::AllOrNothing,
            expected_total: None,
        },
        key: None,
    };
    let batcher = app.app.services.batcher.clone();
    let bad = tokio::spawn({
        let batcher = batcher.clone();
        async move { batcher.submit(gone).await }
    });
    let asked = tokio::spawn({
        let (people, event) = (people.clone(), event.clone());
        async move { join_all(people.iter().map(|person| person.books(&event, 1))).await }
    });
    app.eventually("all orders are in", || async { batcher.stats().submitted.load(Ordering::Relaxed) == 9 }).await;
    lock.release().await;
    assert_eq!(asked.await.unwrap().len(), 8, "everybody else has a booking");
    assert!(matches!(bad.await.unwrap(), Err(boxoffice::booking::Error::Internal)));
    assert_eq!(app.sold(&event).await, 8);
    assert_eq!(app.domain_events("booking.created").await, 8);
    app.assert_sound(&event).await;
}

/// Twenty sends of one request at the same moment: one booking, twenty equal answers.
#[apply(scene!)]
async fn one_key_sent_twenty_times_at_once(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(100).await;
    let answers = join_all((0..20).map(|_| customer.book(&event, 3, "ALL_OR_NOTHING", Some("once")))).await;
    let ids: std::collections::HashSet<String> =
        answers.into_iter().map(|answer| answer.ok().text("createBooking.booking.id")).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.sold(&event).await, 3);
    app.settled().await;
    assert_eq!(app.notices(customer.user, "booking.confirmed").await, 1);
}

/// The same key for two events at the same moment: one of the two is refused, whichever worker was second.
#[apply(scene!)]
async fn one_key_for_two_events_at_once(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    for round in 0..10 {
        let (one, two) = (organizer.event(5).await, organizer.event(5).await);
        let key = format!("k{round}");
        let answers = join_all([&one, &two].map(|event| customer.book(event, 1, "ALL_OR_NOTHING", Some(&key)))).await;
        let mut refusals: Vec<String> = answers.iter().map(|answer| answer.refusal().to_owned()).collect();
        refusals.sort();
        assert_eq!(refusals, ["", "IDEMPOTENCY_KEY_REUSED"], "{answers:?}");
        assert_eq!(app.sold(&one).await + app.sold(&two).await, 1);
    }
}
