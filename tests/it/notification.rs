//! Tests of notification: domain events, notices, jobs, log lines, exactly once each.
//! Not here: live streams (`live`) and crashes (`kill`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use boxoffice::domain_event::DomainEvent;
use boxoffice::id::{EventId, NodeId, UserId};
use boxoffice::notification::audience::{self, Customers};
use boxoffice::notification::deliver::Channel;
use serde_json::json;

use crate::harness::TestApp;
use crate::queue::claim_all;

mod kinds;
mod lines;

/// Inserts `n` customers with a confirmed booking of one ticket each into the tables.
pub async fn fill(app: &TestApp, event: &str, n: i64) {
    let event = EventId::parse(event).unwrap();
    let (numbers, uuid) = match app.db().is_sqlite() {
        true => ("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < $1)", "randomblob(16)"),
        false => ("WITH s(i) AS (SELECT generate_series(1, CAST($1 AS bigint)))", "gen_random_uuid()"),
    };
    let users = format!(
        "{numbers} INSERT INTO users (id, email, email_key, name, role, password_hash, created_at)
         SELECT {uuid}, 'f' || i || '@example.org', 'f' || i || '@example.org', 'F', 'CUSTOMER', 'none', 0 FROM s"
    );
    app.sql(&users, [n.into()]).await;
    let bookings = format!(
        "INSERT INTO booking (id, reference, event_id, slot_id, user_id, status, created_at, updated_at)
         SELECT {uuid}, 'FILL-' || replace(u.email_key, '@example.org', ''), $1, (SELECT id FROM slot WHERE event_id = $1), u.id, 'CONFIRMED', 0, 0
         FROM users u WHERE u.email_key LIKE 'f%@example.org'"
    );
    app.sql(&bookings, [event.into()]).await;
    let items = format!(
        "INSERT INTO booking_item (id, booking_id, ticket_type_id, quantity, unit_price_minor)
         SELECT {uuid}, b.id, t.id, 1, 0 FROM booking b JOIN ticket_type t ON t.event_id = b.event_id
         WHERE b.event_id = $1 AND b.reference LIKE 'FILL-%'"
    );
    app.sql(&items, [event.into()]).await;
    app.sql("UPDATE quota SET sold = sold + $2, open = open - $2 WHERE event_id = $1", [event.into(), n.into()]).await;
}

/// No worker runs: a booking and an update of its event leave domain events, notices and waiting jobs.
#[apply(scene!)]
async fn domain_events_and_jobs_of_a_booking_and_an_update(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(5).await;
    customer.books(&event, 2).await;
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
    app.reacted().await;
    for (kind, n) in [
        ("event.published", 1),
        ("booking.created", 1),
        ("booking.confirmed", 1),
        ("availability.changed", 1),
        ("event.updated", 1),
    ] {
        assert_eq!(app.domain_events(kind).await, n, "{kind}");
    }
    let numbered = "SELECT count(*) AS n FROM domain_event f WHERE seq = (SELECT count(*) FROM domain_event g WHERE g.seq <= f.seq)";
    assert_eq!(app.number(numbered, []).await, 5, "contiguous from 1");
    assert_eq!(app.notices(customer.user, "booking.confirmed").await, 1);
    assert_eq!(app.notices(customer.user, "booking.created").await, 0, "under AUTO the customer is told once");
    assert_eq!(app.notices(organizer.user, "booking.created").await, 1);
    assert_eq!(app.notices(customer.user, "event.updated").await, 1);
    let jobs = "SELECT count(*) AS n FROM job WHERE kind = 'deliver' AND queue = 'emails' AND state = 'available'
                AND attempt = 0 AND max_attempts = 5 AND unique_key IS NOT NULL AND domain_event_id IS NOT NULL";
    assert_eq!(app.number(jobs, []).await, 3);
    assert_eq!(app.number("SELECT count(*) AS n FROM job", []).await, 3);
    assert_eq!(app.number("SELECT count(*) AS n FROM delivery", []).await, 0);
}

#[apply(scene!)]
async fn an_update_reaches_every_live_booking_once(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(4).await;
    let event = organizer.event(20).await;
    people[0].books(&event, 1).await;
    people[0].books(&event, 2).await;
    people[1].books(&event, 1).await;
    let gone = people[2].books(&event, 1).await;
    people[2].cancel(&gone).await.ok();
    organizer
        .mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B", "title": "Renamed" }), "changed")
        .await
        .ok();
    app.settled().await;
    let first = "SELECT count(*) AS n FROM notice n WHERE n.cause = 'event.updated' AND n.user_id = $1
                 AND n.booking_id = (SELECT b.id FROM booking b WHERE b.user_id = $1 ORDER BY b.id LIMIT 1)";
    assert_eq!(app.number(first, [people[0].user.into()]).await, 1, "of several bookings the first");
    for (person, n) in people.iter().zip([1, 1, 0, 0]) {
        assert_eq!(app.notices(person.user, "event.updated").await, n);
    }
    let notice = people[1].ask("{ notices(first: 1) { unreadCount nodes { kind text changes { field old new } event { title } booking { quantity } } } }", json!({})).await.ok();
    assert_eq!(
        notice.at("notices.nodes.0.changes"),
        &json!([
            { "field": "TITLE", "old": "Rust Nation", "new": "Renamed" },
            { "field": "VENUE", "old": "Hall A", "new": "Hall B" },
        ])
    );
    assert_eq!(
        notice.text("notices.nodes.0.text"),
        "Renamed changed. Title: Rust Nation → Renamed. Venue: Hall A → Hall B."
    );
    let delivered = "SELECT count(*) AS n FROM delivery d JOIN domain_event f ON f.id = d.domain_event_id WHERE f.kind = 'event.updated' AND d.state = 'sent'";
    assert_eq!(app.number(delivered, []).await, 2);
}

/// An audience too large for a reaction: a fan-out notifies it, in chunks of a thousand, from a cursor.
#[apply(scene!)]
async fn a_large_audience_goes_through_a_fan_out(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let event = organizer.event(3_000).await;
    fill(&app, &event, 2_300).await;
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
    app.reacted().await;
    assert_eq!(
        app.number("SELECT count(*) AS n FROM job WHERE kind = 'fanout' AND queue = 'notifications'", []).await,
        1
    );
    let told = "SELECT count(*) AS n FROM notice WHERE cause = 'event.updated'";
    assert_eq!(app.number(told, []).await, 0, "nobody yet: that is work for the worker");
    let worker = stage.app().await;
    worker.settled().await;
    assert_eq!(app.number(told, []).await, 2_300);
    let gaps = "SELECT count(*) AS n FROM (SELECT n.user_id FROM notice n JOIN inbox i ON i.user_id = n.user_id
                GROUP BY n.user_id, i.last_seq HAVING count(*) <> i.last_seq OR max(n.seq) <> i.last_seq) t";
    assert_eq!(app.number(gaps, []).await, 0);
    assert_eq!(app.number("SELECT count(*) AS n FROM delivery", []).await, 2_300);
}

/// Waiting customers get notices of changes like those with bookings, once each, in order of user, and through a
/// fan-out too.
#[apply(scene!)]
async fn who_waits_is_told_like_who_booked(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let people = app.customers(4).await;
    let event = organizer.event(2).await;
    people[0].books(&event, 1).await;
    people[1].book(&event, 3, "PARTIAL_AND_WAITLIST", None).await.ok();
    people[2].join(&event, 1, false).await.ok();
    let left = people[3].join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    people[3].leave(&left).await.ok();
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
    app.reacted().await;
    for (person, told) in people.iter().zip([1, 1, 1, 0]) {
        assert_eq!(app.notices(person.user, "event.updated").await, told);
    }
    let of = EventId::parse(&event).unwrap();
    let mut told = Vec::new();
    let mut after = None;
    loop {
        let next = audience::customers(app.db().read(), of, Customers::WithLiveBooking, app.clock.now(), after, 1)
            .await
            .unwrap();
        let Some(customer) = next.first() else { break };
        after = Some(customer.user);
        told.push((customer.user, customer.booking.is_some()));
    }
    let mut expected = vec![(people[0].user, true), (people[1].user, true), (people[2].user, false)];
    expected.sort_by_key(|(user, _)| user.0);
    assert_eq!(told, expected, "one at a time, nobody twice, nobody left out");
}

/// A recipient who cannot be reached never delays another, is tried as often as the queue says, and is
/// dead-lettered.
#[apply(scene!)]
async fn one_failure_never_blocks_another(stage: Stage) {
    let unreachable: Arc<std::sync::Mutex<Option<UserId>>> = Arc::default();
    let mended = Arc::new(AtomicBool::new(false));
    let app = stage
        .app_with(|options| {
            let (unreachable, mended) = (unreachable.clone(), mended.clone());
            options.channel = Channel::Failing(Arc::new(move |user| {
                *unreachable.lock().unwrap() == Some(user) && !mended.load(Ordering::SeqCst)
            }));
        })
        .await;
    let organizer = app.organizer().await;
    let people = app.customers(3).await;
    *unreachable.lock().unwrap() = Some(people[1].user);
    let event = organizer.event(9).await;
    for person in &people {
        person.books(&event, 1).await;
    }
    app.settled().await;
    let sent = "SELECT count(*) AS n FROM delivery d WHERE d.user_id = $1";
    assert_eq!(app.number(sent, [people[0].user.into()]).await, 1);
    assert_eq!(app.number(sent, [people[2].user.into()]).await, 1);
    assert_eq!(app.number(sent, [people[1].user.into()]).await, 0);
    assert_eq!(app.notices(people[1].user, "booking.confirmed").await, 1, "in the app it stands all the same");
    // Four more attempts, each after its backoff; then it is dead-lettered.
    for attempt in 2..=5 {
        app.clock.advance(std::time::Duration::from_secs(20));
        app.eventually("another attempt was made", || async {
            app.number("SELECT max(attempt) AS n FROM job", []).await == attempt
        })
        .await;
        app.settled().await;
    }
    assert_eq!(
        app.number("SELECT count(*) AS n FROM job WHERE state = 'dead' AND last_error IS NOT NULL", []).await,
        1
    );
    // An operator removes the cause and requeues the job: it is delivered, once.
    mended.store(true, Ordering::SeqCst);
    app.sql("UPDATE job SET state = 'available', attempt = 0, run_at = 0, finished_at = NULL WHERE state = 'dead'", [])
        .await;
    app.eventually("it is delivered", || async { app.number(sent, [people[1].user.into()]).await == 1 }).await;
}

/// A worker that died holds its jobs until the lease runs out; then another one continues, and nothing is done
/// twice.
#[apply(scene!)]
async fn a_dead_workers_jobs_go_on(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    customer.books(&event, 1).await;
    app.reacted().await;
    let dead = boxoffice::queue::claim::Token(uuid::Uuid::from_u128(1));
    let lease = boxoffice::queue::worker::LEASE;
    let held = claim_all(&app, lease, dead).await;
    assert_eq!(held.len(), 2);
    let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
    let running = "SELECT count(*) AS n FROM job WHERE state = 'running'";
    assert_eq!(app.number(running, []).await, 2, "the lease still holds");
    app.clock.advance(lease + std::time::Duration::from_secs(1));
    other.settled().await;
    assert_eq!(app.number("SELECT count(*) AS n FROM delivery", []).await, 2);
    assert_eq!(app.number("SELECT count(*) AS n FROM job WHERE state = 'succeeded' AND crashes = 1", []).await, 2);
    // The first worker resumes: its token is no longer valid.
    let ids: Vec<i64> = held.iter().map(|job| job.id).collect();
    let ids = &ids;
    let now = app.clock.now();
    let finish = |tx: boxoffice::db::Tx| async move { boxoffice::queue::claim::succeed(&tx, ids, dead, now).await };
    let ours = app.db().write(boxoffice::db::Priority::Worker, finish).await.unwrap();
    assert!(ours.is_empty());
}

/// A job that keeps killing its worker is dead-lettered instead of stopping every worker.
#[apply(scene!)]
async fn a_poisonous_job_is_put_away(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    app.sql("INSERT INTO job (queue, kind, args, state, run_at, max_attempts, created_at) VALUES ('emails', 'deliver', '{}', 'available', 0, 50, 0)", []).await;
    let lease = std::time::Duration::from_secs(1);
    for crash in 1..=3 {
        let token = boxoffice::queue::claim::Token(uuid::Uuid::from_u128(crash));
        assert_eq!(claim_all(&app, lease, token).await.len(), 1);
        app.clock.advance(2 * lease);
        assert_eq!(
            boxoffice::queue::claim::rescue(app.db(), &boxoffice::jobs::KINDS, app.clock.now()).await.unwrap(),
            1
        );
    }
    assert_eq!(app.number("SELECT count(*) AS n FROM job WHERE state = 'dead' AND crashes = 3", []).await, 1);
}

/// An unreadable domain event is dead-lettered with its error and the next ones are reacted to; one of a later
/// release stops this process from reacting, and nothing is lost.
#[apply(scene!)]
async fn damaged_and_newer_domain_events(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    app.settled().await;
    let put = "INSERT INTO domain_event (id, kind, v, occurred_at, data) VALUES ($1, $2, $3, 0, $4)";
    let id = |n: u128| boxoffice::id::DomainEventId(uuid::Uuid::from_u128(n));
    app.sql(put, [id(1).into(), "booking.created".into(), 1_i64.into(), "{\"oops\":1}".into()]).await;
    customer.books(&event, 1).await;
    app.settled().await;
    let parked =
        "SELECT count(*) AS n FROM parked_domain_event WHERE domain_event_id = $1 AND error LIKE 'missing field%'";
    assert_eq!(app.number(parked, [id(1).into()]).await, 1);
    assert_eq!(app.notices(customer.user, "booking.confirmed").await, 1, "the cursor moved on");
    app.sql(put, [id(2).into(), "booking.teleported".into(), 1_i64.into(), "{}".into()]).await;
    customer.books(&event, 1).await;
    app.eventually("everything is numbered", || async {
        app.number("SELECT count(*) AS n FROM domain_event WHERE seq IS NULL", []).await == 0
    })
    .await;
    let behind = "SELECT h.last - c.last AS n FROM stream_head h, consumer c WHERE c.name = 'reactions'";
    app.eventually("reacting stops before it", || async { app.number(behind, []).await >= 4 }).await;
    assert_eq!(app.number("SELECT count(*) AS n FROM parked_domain_event", []).await, 1, "newer is not damaged");
    // A process of that release would react to it; here it is replaced.
    app.sql(
        "UPDATE domain_event SET kind = 'availability.changed', data = $2 WHERE id = $1",
        [
            id(2).into(),
            DomainEvent::AvailabilityChanged { event: EventId::parse(&event).unwrap(), revision: 1 }
                .data()
                .to_string()
                .into(),
        ],
    )
    .await;
    app.settled().await;
    assert_eq!(app.notices(customer.user, "booking.confirmed").await, 2);
}

/// The answer of a mutation never waits for jobs, and marking read never goes back.
#[apply(scene!)]
async fn the_inbox_counts_and_remembers(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    for _ in 0..3 {
        customer.books(&event, 1).await;
    }
    app.settled().await;
    let inbox = customer
        .ask("{ notices(first: 2) { totalCount unreadCount nodes { number } pageInfo { hasNextPage } } }", json!({}))
        .await
        .ok();
    assert_eq!((inbox.int("notices.totalCount"), inbox.int("notices.unreadCount")), (3, 3));
    assert_eq!(inbox.at("notices.nodes"), &json!([{ "number": 3 }, { "number": 2 }]));
    let mark = |number: i64| customer.mutate("markNoticesRead", json!({ "upTo": number }), "readUpTo unreadCount");
    assert_eq!(mark(2).await.ok().int("markNoticesRead.unreadCount"), 1);
    assert_eq!(mark(1).await.ok().int("markNoticesRead.readUpTo"), 2);
    assert_eq!(mark(99).await.ok().int("markNoticesRead.readUpTo"), 3, "nobody read what was never said");
    assert_eq!(
        organizer.ask("{ notices(first: 9) { totalCount } }", json!({})).await.ok().int("notices.totalCount"),
        3
    );
}
