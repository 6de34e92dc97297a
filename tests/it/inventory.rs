//! Inventories read in every possible way: availability, lists of events, counted columns and bookings agree.
//! Not here: the rules by themselves (`allocate`).

use boxoffice::id::RandomSource;
use serde_json::json;

use crate::harness::{Actor, TestApp, seeded};

fn below(random: &RandomSource, n: usize) -> usize {
    ((random.fraction() * n as f64) as usize).min(n - 1)
}

async fn available(app: &TestApp, event: &str) -> i64 {
    let query = "query($id: ID!) { event(id: $id) { availability { available } } }";
    app.anonymous().ask(query, json!({ "id": event })).await.ok().int("event.availability.available")
}

/// Checks that lists of events show an event among those with tickets exactly if it has some.
async fn is_listed_with_places(app: &TestApp, event: &str) -> bool {
    let query = "{ yes: events(first: 100, filter: { hasTickets: true }) { nodes { id } }
                   no: events(first: 100, filter: { hasTickets: false }) { nodes { id } } }";
    let answer = app.anonymous().ask(query, json!({})).await.ok();
    let has = |list: &str| answer.at(list).as_array().unwrap().iter().any(|node| node["id"] == event);
    let (yes, no) = (has("yes.nodes"), has("no.nodes"));
    assert!(yes != no, "in one of both lists");
    yes
}

/// Compares every way to read, and a newcomer's booking.
async fn compare(app: &TestApp, newcomer: &Actor, event: &str) {
    app.assert_sound(event).await;
    let available = available(app, event).await;
    assert_eq!(is_listed_with_places(app, event).await, available > 0, "hasTickets with {available} available");
    let refused = newcomer.book(event, available + 1, "ALL_OR_NOTHING", None).await;
    assert_eq!(refused.refusal(), "NOT_ENOUGH_TICKETS");
    assert_eq!(refused.int("createBooking.userErrors.0.available"), available);
    if available > 0 {
        let booking = newcomer.books(event, available).await;
        newcomer.cancel(&booking).await.ok();
        app.assert_sound(event).await;
    }
}

/// The actions of the customers so far, for undoing them.
#[derive(Default)]
struct Done {
    bookings: Vec<(usize, String)>,
    entries: Vec<(usize, String)>,
}

/// Makes one random change to an event.
async fn step(random: &RandomSource, organizer: &Actor, people: &[Actor], event: &str, done: &mut Done) {
    let who = below(random, people.len());
    let (person, quantity) = (&people[who], 1 + below(random, 4) as i64);
    match below(random, 12) {
        0..=3 => {
            let fulfilment = ["ALL_OR_NOTHING", "PARTIAL", "PARTIAL_AND_WAITLIST"][below(random, 3)];
            let answer = person.book(event, quantity, fulfilment, None).await;
            let text = |path: &str| answer.at(path).as_str().map(str::to_owned);
            done.bookings.extend(text("createBooking.booking.id").map(|id| (who, id)));
            done.entries.extend(text("createBooking.waitlistEntry.id").map(|id| (who, id)));
        }
        4..=5 => {
            let answer = person.join(event, quantity, random.fraction() < 0.5).await;
            done.entries.extend(answer.at("joinWaitlist.waitlistEntry.id").as_str().map(|id| (who, id.to_owned())));
        }
        6..=8 if !done.bookings.is_empty() => {
            let (who, booking) = done.bookings.swap_remove(below(random, done.bookings.len()));
            people[who].cancel(&booking).await.ok();
        }
        9 if !done.entries.is_empty() => {
            let (who, entry) = done.entries.swap_remove(below(random, done.entries.len()));
            people[who].leave(&entry).await;
        }
        10 if !done.entries.is_empty() => {
            let (who, entry) = &done.entries[below(random, done.entries.len())];
            people[*who].mutate("confirmWaitlistEntry", json!({ "entryId": entry }), "event { id }").await;
        }
        11 if random.fraction() < 0.3 => {
            let venue = format!("Hall {}", below(random, 1_000));
            organizer.mutate("updateEvent", json!({ "eventId": event, "venue": venue }), "changed").await.ok();
        }
        _ => {
            organizer.resize(event, 1 + below(random, 8) as i64).await;
        }
    }
}

#[apply(scene!)]
async fn random_inventories_read_alike(stage: Stage) {
    let app = stage.app().await;
    let (organizer, newcomer, people) = (app.organizer().await, app.customer().await, app.customers(5).await);
    let random = seeded("random_inventories_read_alike");
    for _ in 0..6 {
        let event = organizer.event(1 + below(&random, 6) as i64).await;
        let mut done = Done::default();
        for _ in 0..14 {
            step(&random, &organizer, &people, &event, &mut done).await;
            compare(&app, &newcomer, &event).await;
        }
    }
}

/// An entry for more tickets than there are at all keeps no tickets from others, and the lists of events agree.
#[apply(scene!)]
async fn who_can_never_fit_hides_no_places(stage: Stage) {
    let app = stage.app().await;
    let (organizer, people) = (app.organizer().await, app.customers(2).await);
    let event = organizer.event(6).await;
    people[0].books(&event, 1).await;
    let rest = people[0].books(&event, 5).await;
    people[1].join(&event, 6, false).await.ok();
    people[0].cancel(&rest).await.ok();
    assert!(!is_listed_with_places(&app, &event).await, "five are free, for who may get six one day");
    organizer.resize(&event, 5).await.ok();
    assert_eq!(available(&app, &event).await, 4);
    compare(&app, &people[0], &event).await;
}

/// Once an event has begun, none of its tickets can be booked, and every way to read them says so.
#[apply(scene!)]
async fn nothing_is_available_once_an_event_has_begun(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(5).await;
    let watch = "subscription($id: ID!) { availabilityChanged(eventId: $id) { available capacity revision } }";
    let mut socket = app.anonymous().socket().await;
    socket.subscribe("a", watch, json!({ "id": event })).await;
    let before = socket.next("a").await["availabilityChanged"].clone();
    assert_eq!(before["available"], 5);
    assert!(is_listed_with_places(&app, &event).await);
    app.clock.set(boxoffice::clock::Timestamp::from_rfc3339("2026-02-01T18:00:00Z").unwrap());
    let after = socket.next("a").await["availabilityChanged"].clone();
    assert_eq!((&after["available"], &after["capacity"]), (&json!(0), &json!(5)));
    assert_eq!(after["revision"], before["revision"], "nothing was written");
    assert_eq!(available(&app, &event).await, 0);
    assert!(!is_listed_with_places(&app, &event).await);
    assert_eq!(app.renewed(&customer).await.book(&event, 1, "PARTIAL", None).await.refusal(), "EVENT_OVER");
}
