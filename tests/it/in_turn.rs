//! Tests of the waitlist's limits: long waitlists, entries that are passed over, and entries that end.
//! Not here: the ordinary course of a waitlist (`waitlist`).

use boxoffice::booking::{close, inventory, promote};
use boxoffice::clock::Timestamp;
use boxoffice::id::{EventId, NodeId};
use serde_json::{Value, json};

use crate::harness::{Actor, TestApp};

/// The time at which the events of these tests begin.
const BEGIN: &str = "2026-02-01T18:00:00Z";

/// Fills an event's waitlist with `n` entries of as many customers for one ticket each, behind the service's back.
async fn fill_line(app: &TestApp, event: &str, n: i64) {
    let event = EventId::parse(event).unwrap();
    let (numbers, uuid) = match app.db().is_sqlite() {
        true => ("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < $1)", "randomblob(16)"),
        false => ("WITH s(i) AS (SELECT generate_series(1, CAST($1 AS bigint)))", "gen_random_uuid()"),
    };
    let users = format!(
        "{numbers} INSERT INTO users (id, email, email_key, name, role, password_hash, created_at)
         SELECT {uuid}, 'w' || i || '@example.org', 'w' || i || '@example.org', 'W', 'CUSTOMER', 'none', i FROM s"
    );
    app.sql(&users, [n.into()]).await;
    let entries = format!(
        "INSERT INTO waitlist_entry (id, event_id, ticket_type_id, quota_id, user_id, status, quantity, accepts_part, position_key,
                                     asked, terms, created_at, updated_at)
         SELECT {uuid}, t.event_id, t.id, t.quota_id, u.id, 'WAITING', 1, 0, s.waitlist_tail + u.created_at, 1, 0, 0, 0
         FROM users u, ticket_type t JOIN stock s ON s.event_id = t.event_id
         WHERE t.event_id = $1 AND u.email_key LIKE 'w%@example.org'"
    );
    app.sql(&entries, [event.into()]).await;
    app.sql("UPDATE stock SET waitlist_tail = waitlist_tail + $2 WHERE event_id = $1", [event.into(), n.into()]).await;
    app.sql("UPDATE quota SET waiting = waiting + $2, open = 0 WHERE event_id = $1", [event.into(), n.into()]).await;
}

async fn entry(person: &Actor, id: &str) -> Value {
    let query = "query($id: ID!) { node(id: $id) { ... on WaitlistEntry { status position positionAtLeast pause } } }";
    person.ask(query, json!({ "id": id })).await.ok().at("node").clone()
}

async fn waits(person: &Actor, event: &str, quantity: i64) -> String {
    person.join(event, quantity, false).await.ok().text("joinWaitlist.waitlistEntry.id")
}

/// Returns the tickets that a customer has by confirmed bookings.
async fn has(person: &Actor) -> i64 {
    let mine = "{ myBookings(first: 50, status: CONFIRMED) { nodes { quantity } } }";
    let answer = person.ask(mine, json!({})).await.ok();
    answer.at("myBookings.nodes").as_array().unwrap().iter().map(|node| node["quantity"].as_i64().unwrap()).sum()
}

/// A raise of the capacity larger than one transaction handles, and a waitlist longer than the raise: entries are
/// promoted in chunks to the last ticket, and no newcomer gets any of them meanwhile.
#[apply(scene!)]
async fn a_raise_serves_a_long_line_in_chunks(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, first, newcomer) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(1).await;
    first.books(&event, 1).await;
    let (chunk, raise) = (inventory::SERVED_MAX, 2 * inventory::SERVED_MAX + 30);
    fill_line(&app, &event, raise + 5).await;
    let raised = organizer.resize(&event, 1 + raise).await.ok();
    assert_eq!(app.sold(&event).await, 1 + chunk, "one transaction serves one chunk");
    assert_eq!(raised.at("setEventCapacity.event.availability.available"), &json!(0));
    assert_eq!(newcomer.book(&event, 1, "PARTIAL", None).await.refusal(), "NOT_ENOUGH_TICKETS");
    app.assert_counted(&event).await;
    let jobs = "SELECT count(*) AS n FROM job WHERE kind = 'serve_waitlist'";
    assert_eq!(app.number(jobs, []).await, 1, "one job serves the rest, whoever asked meanwhile");
    let id = EventId::parse(&event).unwrap();
    assert!(promote::chunk(&app.app.ctx, id, None).await.unwrap(), "there is more");
    app.assert_counted(&event).await;
    assert!(!promote::chunk(&app.app.ctx, id, None).await.unwrap());
    assert_eq!(app.sold(&event).await, 1 + raise);
    app.assert_sound(&event).await;
    assert_eq!(app.number("SELECT count(*) AS n FROM waitlist_entry WHERE status = 'WAITING'", []).await, 5);
    assert_eq!(newcomer.book(&event, 1, "PARTIAL", None).await.refusal(), "NOT_ENOUGH_TICKETS");
    // The order is that of the waitlist.
    let late = "SELECT count(*) AS n FROM waitlist_entry w WHERE w.status = 'FULFILLED' AND w.position_key >
                (SELECT min(position_key) FROM waitlist_entry WHERE status = 'WAITING')";
    assert_eq!(app.number(late, []).await, 0);
}

/// The same with a worker: the job completes the promotions that the raise began.
#[apply(scene!)]
async fn a_job_finishes_what_a_raise_began(stage: Stage) {
    let app = stage.app().await;
    let (organizer, first) = (app.organizer().await, app.customer().await);
    let event = organizer.event(1).await;
    first.books(&event, 1).await;
    let raise = inventory::SERVED_MAX + 30;
    fill_line(&app, &event, raise + 5).await;
    organizer.resize(&event, 1 + raise).await.ok();
    app.eventually("the waitlist is served", || async { app.sold(&event).await == 1 + raise }).await;
    app.settled().await;
    app.assert_sound(&event).await;
}

/// The job that serves a long waitlist died. The next sweep promotes what it left, without another job.
#[apply(scene!)]
async fn a_sweep_finishes_what_a_dead_job_left(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, first) = (app.organizer().await, app.customer().await);
    let event = organizer.event(1).await;
    first.books(&event, 1).await;
    let (chunk, raise) = (inventory::SERVED_MAX, 2 * inventory::SERVED_MAX + 30);
    fill_line(&app, &event, raise + 5).await;
    organizer.resize(&event, 1 + raise).await.ok();
    assert_eq!(app.sold(&event).await, 1 + chunk);
    let died = "UPDATE job SET state = 'dead', finished_at = 0 WHERE kind = 'serve_waitlist'";
    assert_eq!(app.sql(died, []).await, 1);
    let other = stage.app_with(|options| options.clock = app.clock.clone()).await;
    other.eventually("the waitlist is served", || async { other.sold(&event).await == 1 + raise }).await;
    other.settled().await;
    app.assert_sound(&event).await;
    app.assert_counted(&event).await;
}

/// The cost of the position of an entry does not grow with the waitlist.
#[apply(scene!)]
async fn positions_are_exact_up_to_a_thousand(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, people) = (app.organizer().await, app.customers(3).await);
    let event = organizer.event(1).await;
    people[0].books(&event, 1).await;
    fill_line(&app, &event, 999).await;
    let (last, beyond) = (waits(&people[1], &event, 1).await, waits(&people[2], &event, 1).await);
    let place = |position: Value, at_least: i64| json!({ "status": "WAITING", "position": position, "positionAtLeast": at_least, "pause": null });
    assert_eq!(entry(&people[1], &last).await, place(json!(1_000), 1_000));
    assert_eq!(entry(&people[2], &beyond).await, place(Value::Null, 1_001));
    people[1].leave(&last).await.ok();
    assert_eq!(entry(&people[2], &beyond).await, place(json!(1_000), 1_000));
}

/// A customer who gives tickets back does not get the same ones through a remaining entry: the next entry is
/// promoted.
#[apply(scene!)]
async fn who_gives_tickets_back_does_not_get_them_again(stage: Stage) {
    let app = stage.app().await;
    let (organizer, people) = (app.organizer().await, app.customers(3).await);
    let (giver, next, late) = (&people[0], &people[1], &people[2]);
    let event = organizer.event(2).await;
    let mine = giver.book(&event, 10, "PARTIAL_AND_WAITLIST", None).await.ok();
    let remainder = mine.text("createBooking.waitlistEntry.id");
    waits(next, &event, 1).await;
    let fields = "message passedOver { id } event { availability { available waiting } }";
    let input = json!({ "bookingId": mine.text("createBooking.booking.id") });
    let cancelled = giver.mutate("cancelBooking", input, fields).await.ok();
    assert_eq!((has(giver).await, has(next).await), (0, 1));
    assert_eq!(cancelled.at("cancelBooking.passedOver"), &json!([{ "id": remainder }]));
    assert!(cancelled.text("cancelBooking.message").contains("to other customers"), "{}", cancelled.body);
    // The other ticket is for newcomers, not for the customer who gave it back, whatever happens next.
    assert_eq!(cancelled.at("cancelBooking.event.availability"), &json!({ "available": 1, "waiting": 8 }));
    assert_eq!(entry(giver, &remainder).await["pause"], "TICKETS_GIVEN_BACK");
    app.assert_sound(&event).await;
    let bought = late.books(&event, 1).await;
    // It is sold: the entry is in turn again, first on the waitlist, for tickets that others give back.
    assert_eq!(entry(giver, &remainder).await["pause"], Value::Null);
    late.cancel(&bought).await.ok();
    assert_eq!(has(giver).await, 1);
    app.assert_sound(&event).await;
}

/// A customer who gave tickets back may still request them.
#[apply(scene!)]
async fn who_gave_tickets_back_may_ask_for_them(stage: Stage) {
    let app = stage.app().await;
    let (organizer, giver) = (app.organizer().await, app.customer().await);
    let event = organizer.event(2).await;
    let mine = giver.book(&event, 3, "PARTIAL_AND_WAITLIST", None).await.ok();
    giver.cancel(&mine.text("createBooking.booking.id")).await.ok();
    assert_eq!(has(&giver).await, 0);
    let input = json!({ "entryId": mine.text("createBooking.waitlistEntry.id") });
    giver.mutate("confirmWaitlistEntry", input, "waitlistEntry { status }").await.ok();
    assert_eq!(has(&giver).await, 1);
    app.assert_sound(&event).await;
}

/// After a change of venue, day or price no waiting customer is booked without a confirmation.
#[apply(scene!)]
async fn a_changed_event_asks_who_waits_first(stage: Stage) {
    let app = stage.app().await;
    let (organizer, people) = (app.organizer().await, app.customers(4).await);
    let changes =
        [json!({ "venue": "Another city" }), json!({ "price": "500" }), json!({ "startsAt": "2026-02-01T17:00:00Z" })];
    for change in changes {
        let event = organizer.event(1).await;
        let booked = people[0].books(&event, 1).await;
        let (unasked, willing) = (waits(&people[1], &event, 1).await, waits(&people[2], &event, 1).await);
        let mut input = change.clone();
        input["eventId"] = json!(event);
        organizer.mutate("updateEvent", input, "changed").await.ok();
        let before = has(&people[1]).await;
        assert_eq!(entry(&people[1], &unasked).await["pause"], "EVENT_CHANGED", "{change}");
        people[0].cancel(&booked).await.ok();
        assert_eq!(has(&people[1]).await, before, "{change}");
        app.assert_sound(&event).await;
        // The entry is passed over: a newcomer books the free tickets, and a customer who confirms is in turn at
        // once.
        let taken = people[3].books(&event, 1).await;
        assert_eq!(people[2].join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id"), willing);
        let input = json!({ "entryId": unasked });
        let confirmed = people[1].mutate("confirmWaitlistEntry", input, "waitlistEntry { position pause }").await.ok();
        assert_eq!(confirmed.at("confirmWaitlistEntry.waitlistEntry"), &json!({ "position": 1, "pause": null }));
        people[3].cancel(&taken).await.ok();
        assert_eq!(has(&people[1]).await, before + 1, "{change}");
        app.assert_sound(&event).await;
    }
    // A change without effect on waiting customers pauses no entry.
    let event = organizer.event(1).await;
    people[0].books(&event, 1).await;
    let waiting = waits(&people[1], &event, 1).await;
    organizer.mutate("updateEvent", json!({ "eventId": event, "description": "New" }), "changed").await.ok();
    assert_eq!(entry(&people[1], &waiting).await["pause"], Value::Null);
}

/// The stream of an entry reports that it needs a confirmation, and that it has it.
#[apply(scene!)]
async fn a_pause_is_told_live(stage: Stage) {
    let app = stage.app().await;
    let (organizer, people) = (app.organizer().await, app.customers(2).await);
    let event = organizer.event(1).await;
    people[0].books(&event, 1).await;
    let waiting = waits(&people[1], &event, 1).await;
    let mut socket = people[1].socket().await;
    let watch = "subscription($id: ID!) { waitlistEntryChanged(entryId: $id) { position pause } }";
    socket.subscribe("w", watch, json!({ "id": waiting })).await;
    let mut next = async || socket.next("w").await["waitlistEntryChanged"].clone();
    assert_eq!(next().await, json!({ "position": 1, "pause": null }));
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
    assert_eq!(next().await, json!({ "position": 1, "pause": "EVENT_CHANGED" }));
    people[1].mutate("confirmWaitlistEntry", json!({ "entryId": waiting }), "event { id }").await.ok();
    assert_eq!(next().await, json!({ "position": 1, "pause": null }));
}

/// A waitlist ends when nothing can be booked any more, and its customers get a notice.
#[apply(scene!)]
async fn a_waitlist_ends_when_its_event_begins(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await; // no sweep runs by itself
    let (organizer, people) = (app.organizer().await, app.customers(2).await);
    let (event, other) = (organizer.event(1).await, organizer.event(1).await);
    let later = json!({ "eventId": other, "startsAt": "2026-03-01T18:00:00Z", "endsAt": "2026-03-01T20:00:00Z" });
    organizer.mutate("updateEvent", later, "changed").await.ok();
    for event in [&event, &other] {
        people[0].books(event, 1).await;
    }
    let (ends, stays) = (waits(&people[1], &event, 1).await, waits(&people[1], &other, 1).await);
    fill_line(&app, &event, 250).await; // more than one chunk
    assert_eq!(close::close_begun(&app.app.ctx).await.unwrap(), 0);
    app.clock.set(Timestamp::from_rfc3339(BEGIN).unwrap());
    assert_eq!(close::close_begun(&app.app.ctx).await.unwrap(), 251);
    assert_eq!(close::close_begun(&app.app.ctx).await.unwrap(), 0);
    let person = app.renewed(&people[1]).await;
    assert_eq!(
        (entry(&person, &ends).await["status"].clone(), entry(&person, &stays).await["status"].clone()),
        (json!("CLOSED"), json!("WAITING"))
    );
    app.assert_sound(&event).await;
    // The sweep does the same.
    app.clock.set(Timestamp::from_rfc3339("2026-03-01T18:00:00Z").unwrap());
    let sweeping = stage.app_with(|options| options.clock = app.clock.clone()).await;
    let person = app.renewed(&people[1]).await;
    app.eventually("the other one has ended", || async { entry(&person, &stays).await["status"] == "CLOSED" }).await;
    sweeping.settled().await;
    assert_eq!(app.notices(person.user, "waitlist.left").await, 2);
    app.assert_sound(&other).await;
}

/// The entries of an account that cannot sign in, or may not book any more, are passed over at once and end.
#[apply(scene!)]
async fn accounts_that_may_not_book_are_passed_over(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, admin, people) = (app.organizer().await, app.admin().await, app.customers(5).await);
    let event = organizer.event(2).await;
    let booked = [people[0].books(&event, 1).await, people[0].books(&event, 1).await];
    for person in &people[1..] {
        waits(person, &event, 1).await;
    }
    admin.mutate("disableUser", json!({ "userId": people[1].user.to_global_id() }), "user { id }").await.ok();
    people[0].cancel(&booked[0]).await.ok();
    assert_eq!((has(&people[2]).await, app.sold(&event).await), (1, 2), "nobody had ended its entry yet");
    let role = json!({ "userId": people[3].user.to_global_id(), "role": "ORGANIZER" });
    admin.mutate("setUserRole", role, "user { id }").await.ok();
    people[0].cancel(&booked[1]).await.ok();
    assert_eq!(has(&people[4]).await, 1);
    let closed = "SELECT count(*) AS n FROM waitlist_entry WHERE status = 'CLOSED'";
    for person in [&people[1], &people[3]] {
        close::chunk_of_account(&app.app.ctx, person.user, None).await.unwrap();
    }
    assert_eq!(app.number(closed, []).await, 2);
    app.assert_sound(&event).await;
    // No entry is in turn any more: the next free tickets are for newcomers.
    organizer.resize(&event, 3).await.ok();
    people[0].books(&event, 1).await;
}

/// An entry of a disabled account at the front blocks the waitlist: the entries behind it are promoted when it
/// ends.
#[apply(scene!)]
async fn whom_a_disabled_account_blocked_is_served(stage: Stage) {
    let app = stage.app().await;
    let (organizer, admin, people) = (app.organizer().await, app.admin().await, app.customers(3).await);
    let event = organizer.event(62).await;
    let booked = people[0].books(&event, 60).await;
    people[0].books(&event, 2).await;
    waits(&people[1], &event, 61).await;
    waits(&people[2], &event, 1).await;
    fill_line(&app, &event, 59).await; // more than a transaction with another purpose promotes
    people[0].cancel(&booked).await.ok();
    assert_eq!(app.sold(&event).await, 2, "sixty are free, the head wants one more");
    admin.mutate("disableUser", json!({ "userId": people[1].user.to_global_id() }), "user { id }").await.ok();
    app.eventually("those behind have them", || async { app.sold(&event).await == 62 }).await;
    assert_eq!(has(&people[2]).await, 1);
    app.settled().await;
    app.assert_sound(&event).await;
}
