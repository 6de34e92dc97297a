//! The race: many customers at once for the last tickets, with cancellations, resizing and repeats in between.
//! Not here: crashes (`kill`).
//!
//! The negative control runs the same race against a seller that checks in one transaction and takes in another, and
//! shows that the test notices: a race that cannot be lost proves nothing.

use boxoffice::id::{BookingId, EventId, NodeId, RandomSource};
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Actor, TestApp, apart, seeded};

const FULFILMENTS: [&str; 3] = ["ALL_OR_NOTHING", "PARTIAL", "PARTIAL_AND_WAITLIST"];

/// The bookings that a customer of the race was promised.
#[derive(Default)]
struct Played {
    /// Bookings acknowledged and not cancelled by the customer.
    confirmed: Vec<String>,
}

/// Acts as one customer: requests some tickets with a key, often repeats the request, sometimes cancels.
async fn play(person: &Actor, event: &str, n: usize, random: &RandomSource) -> Played {
    let fulfilment = FULFILMENTS[n % 3];
    let quantity = 1 + (random.fraction() * 3.0) as i64;
    let key = format!("race-{n}");
    let send = || person.book(event, quantity, fulfilment, Some(&key));
    let (first, second) = tokio::join!(send(), send());
    let id = |answer: &crate::harness::Answer| answer.at("createBooking.booking.id").as_str().map(str::to_owned);
    for answer in [&first, &second] {
        assert!(answer.fault().is_empty(), "{}", answer.body);
        assert!(["", "NOT_ENOUGH_TICKETS"].contains(&answer.refusal()), "{}", answer.body);
    }
    if first.refusal().is_empty() && second.refusal().is_empty() {
        assert_eq!(id(&first), id(&second), "two answers to one key");
    }
    let Some(booking) = id(&first).or_else(|| id(&second)) else { return Played::default() };
    if random.fraction() < 0.3 {
        person.cancel(&booking).await.ok();
        return Played::default();
    }
    Played { confirmed: vec![booking] }
}

/// Runs the race: two hundred customers, ten tickets, two processes if the database allows them.
async fn race(apps: &[TestApp], people: &[Actor], organizer: &Actor, event: &str, random: &RandomSource) {
    let resizing = async {
        for capacity in [14, 10, 12, 9, 11, 10] {
            let answer = organizer.resize(event, capacity).await;
            assert!(["", "CAPACITY_BELOW_TAKEN"].contains(&answer.refusal()), "{}", answer.body);
        }
    };
    let playing = join_all(people.iter().enumerate().map(|(n, person)| {
        let (person, random) = (person.at(&apps[n % apps.len()]), apart(random));
        async move { (play(&person, event, n, &random).await, person) }
    }));
    let (played, ()) = tokio::join!(playing, resizing);

    let app = &apps[0];
    app.settled().await;
    app.assert_sound(event).await;
    for (played, person) in &played {
        let confirmed = "SELECT count(*) AS n FROM booking WHERE id = $1 AND user_id = $2 AND status = 'CONFIRMED'";
        for booking in &played.confirmed {
            let id = BookingId::parse(booking).unwrap();
            assert_eq!(
                app.number(confirmed, [id.into(), person.user.into()]).await,
                1,
                "an acknowledged booking exists"
            );
        }
        // Exactly one notice per domain event and customer.
        for (domain_event, rows) in [
            ("booking.confirmed", "SELECT count(*) AS n FROM booking WHERE user_id = $1 AND entry_id IS NULL"),
            ("booking.cancelled", "SELECT count(*) AS n FROM booking WHERE user_id = $1 AND status = 'CANCELLED'"),
            ("waitlist.promoted", "SELECT count(*) AS n FROM booking WHERE user_id = $1 AND entry_id IS NOT NULL"),
        ] {
            let happened = app.number(rows, [person.user.into()]).await;
            assert_eq!(app.notices(person.user, domain_event).await, happened, "{domain_event}");
        }
        let numbered =
            "SELECT CASE WHEN count(*) = COALESCE(MAX(seq), 0) THEN CAST(0 AS bigint) ELSE CAST(1 AS bigint) END AS n
                        FROM notice WHERE user_id = $1";
        assert_eq!(app.number(numbered, [person.user.into()]).await, 0, "numbered without gaps");
    }
    let id = EventId::parse(event).unwrap();
    let twice = "SELECT count(*) AS n FROM (SELECT domain_event_id, user_id FROM notice GROUP BY domain_event_id, user_id HAVING count(*) > 1) t";
    assert_eq!(app.number(twice, []).await, 0);
    let revision = app.number("SELECT revision AS n FROM stock WHERE event_id = $1", [id.into()]).await;
    let played = "SELECT count(*) AS n FROM domain_event WHERE event_id = $1 AND kind = 'availability.changed'";
    assert_eq!(app.number(played, [id.into()]).await, revision, "one revision per commit that changed availability");
    assert_eq!(app.number("SELECT count(*) AS n FROM parked_domain_event", []).await, 0);
}

#[apply(scene!)]
async fn two_hundred_for_the_last_ten(stage: Stage) {
    let random = seeded("race");
    let app = stage.app_with(|options| options.random = apart(&random)).await;
    let organizer = app.organizer().await;
    let people = app.customers(200).await;
    let event = organizer.event(10).await;
    // On PostgreSQL there are several processes: a second one with pools, batcher, relay and worker of its own.
    let apps = match app.db().is_sqlite() {
        true => vec![app],
        false => vec![app, stage.app_with(|options| options.random = apart(&random)).await],
    };
    race(&apps, &people, &organizer, &event, &random).await;
}

/// The negative control: check in one transaction, take in another. The figures of the test must show an oversold
/// event.
#[apply(scene!)]
async fn a_naive_seller_loses_the_race(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let event = organizer.event(10).await;
    let id = EventId::parse(&event).unwrap();
    // Without the lock and the CHECK of the real seller.
    app.sql("CREATE TABLE naive_sale (customer bigint)", []).await;
    let free = "SELECT CAST((SELECT capacity FROM quota WHERE event_id = $1) - (SELECT count(*) FROM naive_sale) AS bigint) AS n";
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(20));
    join_all((0..20_i64).map(|customer| {
        let (app, barrier) = (app.clone(), barrier.clone());
        async move {
            let available = app.number(free, [id.into()]).await;
            barrier.wait().await; // every customer has checked before the first one takes
            if available > 0 {
                app.sql("INSERT INTO naive_sale (customer) VALUES ($1)", [customer.into()]).await;
            }
        }
    }))
    .await;
    let sold = app.number("SELECT count(*) AS n FROM naive_sale", []).await;
    assert!(sold > 10, "the naive seller sold {sold} of 10: this race cannot be lost, so it proves nothing");
    assert_eq!(json!(sold), json!(20));
}
