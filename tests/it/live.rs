//! Tests of the live fields: snapshot, resume, isolation, and lost wake-ups.
//! Not here: the protocol of the socket (`edge`).

use boxoffice::bus::Bus;
use serde_json::{Value, json};

use crate::harness::socket::{Heard, Socket};
use crate::harness::{Actor, seeded};

mod cursor;
mod rights;

const NOTICES: &str =
    "subscription($after: String) { noticeReceived(after: $after) { cursor resync notice { id number kind } } }";

/// Opens a stream of notices and reads its opening message.
async fn notices(person: &Actor, after: Value) -> (Socket, Value) {
    let mut socket = person.socket().await;
    socket.subscribe("n", NOTICES, json!({ "after": after })).await;
    let opening = socket.next("n").await["noticeReceived"].clone();
    assert!(opening["notice"].is_null(), "{opening}");
    (socket, opening)
}

#[apply(scene!)]
async fn a_notice_arrives_while_one_watches(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, stranger) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(9).await;
    let (mut socket, opening) = notices(&customer, Value::Null).await;
    let (mut other, _) = notices(&stranger, Value::Null).await;
    assert_eq!(opening["resync"], false);
    customer.books(&event, 2).await;
    let first = socket.next("n").await;
    assert_eq!(first["noticeReceived"]["notice"]["kind"], "BOOKING_CONFIRMED");
    assert_eq!(first["noticeReceived"]["notice"]["number"], 1);
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
    assert_eq!(socket.next("n").await["noticeReceived"]["notice"]["kind"], "EVENT_UPDATED");
    // The other customer gets only messages of their own bookings.
    stranger.books(&event, 1).await;
    assert_eq!(other.next("n").await["noticeReceived"]["notice"]["number"], 1);
}

/// Cuts the socket at random while notices arrive, resumes with the last cursor, and compares the received notices with
/// the table.
async fn cut_often(app: &crate::harness::TestApp, cuts: usize, total: usize) {
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(1_000).await;
    let random = seeded("cut_often");
    let (mut socket, opening) = notices(&customer, Value::Null).await;
    let mut cursor = opening["cursor"].clone();
    let booking = tokio::spawn({
        let (customer, event) = (customer.clone(), event.clone());
        async move {
            for _ in 0..total {
                customer.books(&event, 1).await;
            }
        }
    });
    let mut seen: Vec<i64> = Vec::new();
    let mut made = 0;
    while seen.len() < total {
        if made < cuts && random.fraction() < 0.6 {
            made += 1;
            socket.cut();
            let (again, opening) = notices(&customer, cursor.clone()).await;
            assert_eq!((&opening["resync"], &opening["cursor"]), (&json!(false), &cursor));
            socket = again;
            continue;
        }
        let frame = socket.next("n").await["noticeReceived"].clone();
        cursor = frame["cursor"].clone();
        seen.push(frame["notice"]["number"].as_i64().unwrap());
    }
    booking.await.unwrap();
    assert_eq!(made, cuts, "too few cuts: more notices are needed");
    assert_eq!(seen, (1..=total as i64).collect::<Vec<_>>(), "no gap, no duplicate, in order");
}

#[apply(scene!)]
async fn cut_fifty_times_without_gap_or_duplicate(stage: Stage) {
    let app = stage.app().await;
    cut_often(&app, 50, 120).await;
}

/// Every wake-up is lost, on a bus so small that it could hardly hold one: the streams read everything from the
/// table, once.
#[apply(scene!)]
async fn nothing_depends_on_the_bus(stage: Stage) {
    let app = stage.app_with(|options| options.bus = Bus::with_capacity(1)).await;
    app.app.services.bus.mute();
    cut_often(&app, 5, 15).await;
    app.settled().await;
}

#[apply(scene!)]
async fn a_cursor_of_another_history_asks_to_resync(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    customer.books(&event, 1).await;
    app.settled().await;
    let here =
        customer.ask("{ notices(first: 1) { streamCursor } }", json!({})).await.ok().text("notices.streamCursor");
    let (_socket, opening) = notices(&customer, json!(here)).await;
    assert_eq!(opening["resync"], false);
    app.sql("UPDATE stream_head SET epoch = 'restored'", []).await;
    let (mut socket, opening) = notices(&customer, json!(here)).await;
    assert_eq!(opening["resync"], true);
    customer.books(&event, 1).await;
    assert_eq!(socket.next("n").await["noticeReceived"]["notice"]["number"], 2, "it goes on from the new cursor");
    // A text that is no cursor, or one of another stream.
    let booking_cursor = {
        let mut socket = customer.socket().await;
        socket.subscribe("b", "subscription { bookingChanged { cursor } }", json!({})).await;
        socket.next("b").await["bookingChanged"]["cursor"].clone()
    };
    for wrong in [json!("nonsense"), booking_cursor, json!("x".repeat(500))] {
        let mut socket = customer.socket().await;
        socket.subscribe("n", NOTICES, json!({ "after": wrong })).await;
        let answer = socket.message().await;
        assert!(answer.to_string().contains("BAD_USER_INPUT"), "{answer}");
    }
}

#[apply(scene!)]
async fn each_change_of_a_booking_for_both_sides(stage: Stage) {
    let app = stage.app().await;
    let (organizer, rival, customer, other) =
        (app.organizer().await, app.organizer().await, app.customer().await, app.customer().await);
    let (event, second) = (organizer.event(9).await, organizer.event(9).await);
    let mine = "subscription($after: String) { bookingChanged(after: $after) { cursor change booking { id status } } }";
    let sales = "subscription($event: ID) { eventBookingChanged(eventId: $event) { change booking { id quantity customer { name } } } }";
    let mut own = customer.socket().await;
    own.subscribe("b", mine, json!({})).await;
    own.next("b").await;
    let mut all = organizer.socket().await;
    all.subscribe("s", sales, json!({})).await;
    all.next("s").await;
    let mut one = organizer.socket().await;
    one.subscribe("s", sales, json!({ "event": second })).await;
    one.next("s").await;
    let mut foreign = rival.socket().await;
    foreign.subscribe("s", sales, json!({})).await;
    foreign.next("s").await;
    let theirs = rival.event(9).await;

    let booking = customer.books(&event, 2).await;
    other.books(&second, 1).await;
    customer.cancel(&booking).await.ok();
    customer.books(&theirs, 1).await;

    let mut changes = Vec::new();
    let mut cursor = Value::Null;
    for _ in 0..5 {
        let frame = own.next("b").await["bookingChanged"].clone();
        if cursor.is_null() {
            cursor = frame["cursor"].clone();
        }
        changes.push(frame["change"].as_str().unwrap().to_owned());
    }
    assert_eq!(changes, ["CREATED", "CONFIRMED", "CANCELLED", "CREATED", "CONFIRMED"]);
    // Resumed after the first message: the rest, in order.
    let mut again = customer.socket().await;
    again.subscribe("b", mine, json!({ "after": cursor })).await;
    again.next("b").await;
    assert_eq!(again.next("b").await["bookingChanged"]["change"], "CONFIRMED");

    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(all.next("s").await["eventBookingChanged"]["change"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["CREATED", "CONFIRMED", "CREATED", "CONFIRMED", "CANCELLED"]);
    assert_eq!(one.next("s").await["eventBookingChanged"]["booking"]["quantity"], 1);
    let theirs = foreign.next("s").await;
    assert_eq!(
        theirs["eventBookingChanged"]["booking"]["customer"]["name"],
        customer.name().await,
        "only their own sales"
    );
}

#[apply(scene!)]
async fn availability_never_goes_back_and_ends_with_the_last(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(8).await;
    let event = organizer.event(40).await;
    let mut socket = app.anonymous().socket().await;
    let watch = "subscription($id: ID!) { availabilityChanged(eventId: $id) { revision sold available } }";
    socket.subscribe("a", watch, json!({ "id": event })).await;
    let opening = socket.next("a").await["availabilityChanged"].clone();
    assert_eq!(opening, json!({ "revision": 0, "sold": 0, "available": 40 }));
    futures_util::future::join_all(people.iter().map(|person| person.books(&event, 5))).await;
    let mut revision = 0;
    loop {
        let shown = socket.next("a").await["availabilityChanged"].clone();
        assert!(shown["revision"].as_i64().unwrap() > revision, "{shown} after {revision}");
        revision = shown["revision"].as_i64().unwrap();
        assert_eq!(shown["sold"].as_i64().unwrap() + shown["available"].as_i64().unwrap(), 40);
        if shown["sold"] == 40 {
            break;
        }
    }
    let draft = organizer.draft(3).await;
    socket.subscribe("d", watch, json!({ "id": draft })).await;
    let refused = socket.message().await;
    assert!(refused.to_string().contains("NOT_FOUND"), "{refused}");
}

#[apply(scene!)]
async fn a_place_in_the_line_moves_and_ends(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(3).await;
    let event = organizer.event(1).await;
    let booking = people[0].books(&event, 1).await;
    let first = people[1].join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    let second = people[2].join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    let watch = "subscription($id: ID!) { waitlistEntryChanged(entryId: $id) { position status } }";
    let mut socket = people[2].socket().await;
    socket.subscribe("w", watch, json!({ "id": second })).await;
    assert_eq!(socket.next("w").await["waitlistEntryChanged"], json!({ "position": 2, "status": "WAITING" }));
    people[1].leave(&first).await.ok();
    assert_eq!(socket.next("w").await["waitlistEntryChanged"], json!({ "position": 1, "status": "WAITING" }));
    people[0].cancel(&booking).await.ok();
    assert_eq!(socket.next("w").await["waitlistEntryChanged"], json!({ "position": null, "status": "FULFILLED" }));
    assert_eq!(socket.message().await, json!({ "id": "w", "type": "complete" }));
    // No user can watch another user's entry.
    let mut stranger = people[0].socket().await;
    stranger.subscribe("w", watch, json!({ "id": second })).await;
    assert!(stranger.message().await.to_string().contains("NOT_FOUND"));
}

/// Rights are checked before every message: a user who lost them gets no more messages.
#[apply(scene!)]
async fn rights_are_checked_on_every_message(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let (mut socket, _) = notices(&customer, Value::Null).await;
    customer.books(&event, 1).await;
    socket.next("n").await;
    app.revoke(customer.user).await;
    app.eventually("the session is refused", || async {
        customer.ask("{ viewer { id } }", json!({})).await.fault() == "UNAUTHENTICATED"
    })
    .await;
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
    loop {
        match socket.hear().await {
            Heard::Closed(code, _) => {
                assert_eq!(code, 4403);
                break;
            }
            Heard::Message(message) => assert!(!message.to_string().contains("EVENT_UPDATED"), "{message}"),
        }
    }
}
