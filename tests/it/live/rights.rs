//! Tests of rights on open streams: each message is checked before it is sent, whatever the transport noticed
//! meanwhile, and an object with a new owner is not shown to the former one.
//! Not here: transports that end streams (`edge`, `account`), and the table of rights (`access`).

use std::time::Duration;

use boxoffice::account::session;
use boxoffice::id::{BookingId, EntryId, EventId, NodeId};
use serde_json::{Value, json};

use crate::harness::socket::Socket;
use crate::harness::{Actor, Stage, TestApp};

/// Returns a service with sockets and streams that do not notice lost rights by themselves: only the check of each
/// message is left.
async fn unnoticing(stage: &Stage) -> TestApp {
    stage
        .app_with(|options| {
            options.sessions = session::Settings { remembered: Duration::from_millis(1), watched: false };
            options.sockets.recheck = Duration::from_secs(3_600);
        })
        .await
}

/// An open stream, its reader, and the action that causes its next message.
struct Watched {
    field: &'static str,
    reader: Actor,
    socket: Socket,
    next: Next,
}

enum Next {
    Update(Actor, String),
    Cancel(Actor, String),
    Book(Actor, String),
}

impl Next {
    async fn happen(self) {
        match self {
            Self::Update(organizer, event) => {
                organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "changed").await.ok();
            }
            Self::Cancel(person, booking) => {
                person.cancel(&booking).await.ok();
            }
            Self::Book(person, event) => {
                person.books(&event, 1).await;
            }
        }
    }
}

async fn open(field: &'static str, reader: &Actor, query: &str, variables: Value, next: Next) -> Watched {
    let mut socket = reader.socket().await;
    socket.subscribe("s", query, variables).await;
    socket.next("s").await;
    Watched { field, reader: reader.clone(), socket, next }
}

/// Opens one stream of every kind, each with a reader of its own.
async fn every_stream(app: &TestApp) -> Vec<Watched> {
    let (organizer, other) = (app.organizer().await, app.customer().await);
    let people = app.customers(4).await;
    let (event, small, shown) = (organizer.event(9).await, organizer.event(1).await, organizer.event(9).await);
    people[0].books(&event, 1).await;
    let booking = people[1].books(&event, 1).await;
    let only = other.books(&small, 1).await;
    let entry = people[3].join(&small, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    let seller = app.organizer().await;
    let sold = seller.event(9).await;
    app.settled().await;
    vec![
        open(
            "noticeReceived",
            &people[0],
            "subscription { noticeReceived { notice { id } } }",
            json!({}),
            Next::Update(organizer.clone(), event.clone()),
        )
        .await,
        open(
            "bookingChanged",
            &people[1],
            "subscription { bookingChanged { change } }",
            json!({}),
            Next::Cancel(organizer, booking),
        )
        .await,
        open(
            "eventBookingChanged",
            &seller,
            "subscription { eventBookingChanged { change } }",
            json!({}),
            Next::Book(other.clone(), sold),
        )
        .await,
        open(
            "availabilityChanged",
            &people[2],
            "subscription($id: ID!) { availabilityChanged(eventId: $id) { sold } }",
            json!({ "id": shown }),
            Next::Book(other.clone(), shown),
        )
        .await,
        open(
            "waitlistEntryChanged",
            &people[3],
            "subscription($id: ID!) { waitlistEntryChanged(entryId: $id) { status } }",
            json!({ "id": entry }),
            Next::Cancel(other, only),
        )
        .await,
    ]
}

/// Causes the next message of a stream after its reader lost the right: an error with this code comes instead.
async fn refused(watched: Watched, code: &str) {
    let Watched { field, mut socket, next, .. } = watched;
    next.happen().await;
    let message = socket.message().await;
    let errors = match message["type"].as_str() {
        Some("next") => &message["payload"]["errors"],
        _ => &message["payload"],
    };
    assert_eq!(errors[0]["extensions"]["code"], code, "{field}: {message}");
    assert!(message["payload"]["data"].is_null() || message["payload"]["data"][field].is_null(), "{field}: {message}");
}

#[apply(scene!)]
async fn no_message_leaves_for_an_ended_session(stage: Stage) {
    let app = unnoticing(&stage).await;
    for watched in every_stream(&app).await {
        app.sql("UPDATE session SET revoked_at = 1 WHERE user_id = $1", [watched.reader.user.into()]).await;
        app.eventually("the session is refused", || async {
            watched.reader.ask("{ viewer { id } }", json!({})).await.fault() == "UNAUTHENTICATED"
        })
        .await;
        refused(watched, "UNAUTHENTICATED").await;
    }
}

#[apply(scene!)]
async fn no_message_leaves_under_other_rights(stage: Stage) {
    let app = unnoticing(&stage).await;
    for watched in every_stream(&app).await {
        app.sql("UPDATE users SET role = 'ADMIN' WHERE id = $1", [watched.reader.user.into()]).await;
        app.eventually("the role is another", || async {
            watched.reader.ask("{ viewer { role } }", json!({})).await.text("viewer.role") == "ADMIN"
        })
        .await;
        refused(watched, "FORBIDDEN").await;
    }
}

const MINE: &str = "subscription($after: String) { bookingChanged(after: $after) { cursor change booking {
    id customer { name email } promotedFrom { id } } } }";

/// Returns the messages of a log after a cursor.
async fn replay(person: &Actor, query: &str, after: &Value, frames: usize) -> Vec<Value> {
    let mut socket = person.socket().await;
    socket.subscribe("s", query, json!({ "after": after })).await;
    socket.next("s").await;
    let mut heard = Vec::new();
    while heard.len() < frames {
        heard.push(socket.next("s").await.as_object().unwrap().values().next().unwrap().clone());
    }
    heard
}

/// A booking gets another customer (here by SQL; a transfer will do it): the former one learns that it changed, and
/// nothing of its present state.
#[apply(scene!)]
async fn a_booking_that_changed_hands_is_not_shown(stage: Stage) {
    let app = stage.app().await;
    let (organizer, before, after) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(3).await;
    let mut socket = before.socket().await;
    socket.subscribe("s", MINE, json!({})).await;
    let cursor = socket.next("s").await["bookingChanged"]["cursor"].clone();
    let answer = before.book(&event, 3, "ALL_OR_NOTHING", Some("k")).await.ok();
    let booking = answer.text("createBooking.booking.id");
    assert_eq!(socket.next("s").await["bookingChanged"]["booking"]["customer"]["name"], before.name().await);
    app.settled().await;
    let id = BookingId::parse(&booking).unwrap();
    app.sql("UPDATE booking SET user_id = $2 WHERE id = $1", [id.into(), after.user.into()]).await;

    let frames = replay(&before, MINE, &cursor, 2).await;
    assert_eq!(frames.iter().map(|frame| &frame["change"]).collect::<Vec<_>>(), ["CREATED", "CONFIRMED"]);
    assert!(frames.iter().all(|frame| frame["booking"].is_null()), "{frames:?}");
    let again = before.book(&event, 3, "ALL_OR_NOTHING", Some("k")).await.ok();
    assert!(again.at("createBooking.booking").is_null(), "a repeated request shows it neither: {}", again.body);
    let node = "query($id: ID!) { node(id: $id) { id } notices(first: 9) { nodes { booking { id } } } }";
    let node = before.ask(node, json!({ "id": booking })).await.ok();
    assert!(node.at("node").is_null() && node.at("notices.nodes.0.booking").is_null(), "{}", node.body);
    let shown = after.ask("query($id: ID!) { booking(id: $id) { customer { name } } }", json!({ "id": booking })).await;
    assert_eq!(shown.text("booking.customer.name"), after.name().await, "its customer sees it");
}

/// An event gets another organizer: the former one learns only that there were bookings.
#[apply(scene!)]
async fn sales_of_an_event_that_changed_hands_are_not_shown(stage: Stage) {
    let app = stage.app().await;
    let (before, after, customer) = (app.organizer().await, app.organizer().await, app.customer().await);
    let event = before.event(3).await;
    let sales = "subscription($after: String) { eventBookingChanged(after: $after) { cursor change
        booking { id customer { name email } } } }";
    let mut socket = before.socket().await;
    socket.subscribe("s", sales, json!({})).await;
    let cursor = socket.next("s").await["eventBookingChanged"]["cursor"].clone();
    customer.books(&event, 1).await;
    assert_eq!(socket.next("s").await["eventBookingChanged"]["booking"]["customer"]["name"], customer.name().await);
    let draft = before.draft(5).await;
    let mut watch = before.socket().await;
    let available = "subscription($id: ID!) { availabilityChanged(eventId: $id) { capacity } }";
    watch.subscribe("a", available, json!({ "id": draft })).await;
    watch.next("a").await;
    app.settled().await;
    for id in [&event, &draft] {
        let theirs =
            "UPDATE event SET organizer_id = (SELECT organizer_id FROM membership WHERE user_id = $2) WHERE id = $1";
        app.sql(theirs, [EventId::parse(id).unwrap().into(), after.user.into()]).await;
    }
    let frames = replay(&before, sales, &cursor, 2).await;
    assert!(frames.iter().all(|frame| frame["booking"].is_null()), "{frames:?}");
    after.resize(&draft, 7).await.ok();
    let message = watch.message().await;
    assert!(message.to_string().contains("NOT_FOUND") && !message.to_string().contains("\"capacity\":7"), "{message}");
}

/// A waitlist entry gets another customer, and so does the booking made from another entry.
#[apply(scene!)]
async fn a_place_in_the_line_that_changed_hands_is_not_shown(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(4).await;
    let event = organizer.event(1).await;
    let sold = people[0].books(&event, 1).await;
    people[1].join(&event, 1, false).await.ok();
    people[0].cancel(&sold).await.ok(); // the first on the waitlist is promoted
    let join = json!({ "eventId": event, "quantity": 1, "idempotencyKey": "k" });
    let joined = people[2].mutate("joinWaitlist", join.clone(), "waitlistEntry { id }").await.ok();
    let entry = joined.text("joinWaitlist.waitlistEntry.id");
    let mut watch = people[2].socket().await;
    let waits = "subscription($id: ID!) { waitlistEntryChanged(entryId: $id) { id position customer { name } } }";
    watch.subscribe("w", waits, json!({ "id": entry })).await;
    watch.next("w").await;
    app.settled().await;

    let moved = "UPDATE waitlist_entry SET user_id = $2 WHERE id = $1";
    app.sql(moved, [EntryId::parse(&entry).unwrap().into(), people[3].user.into()]).await;
    let again = people[2].mutate("joinWaitlist", join, "waitlistEntry { id }").await.ok();
    assert!(again.at("joinWaitlist.waitlistEntry").is_null(), "{}", again.body);
    organizer.resize(&event, 2).await.ok();
    let message = watch.message().await;
    assert!(message.to_string().contains("NOT_FOUND"), "{message}");

    app.sql(
        "UPDATE booking SET user_id = $2 WHERE user_id = $1 AND entry_id IS NOT NULL",
        [people[1].user.into(), people[3].user.into()],
    )
    .await;
    let promoted = "{ myBookings(first: 9) { nodes { promotedFrom { customer { name } } } } }";
    let promoted = people[3].ask(promoted, json!({})).await.ok();
    let tickets: Vec<&Value> =
        promoted.at("myBookings.nodes").as_array().unwrap().iter().map(|booking| &booking["promotedFrom"]).collect();
    assert_eq!(tickets.len(), 2);
    assert_eq!(
        tickets.iter().filter(|place| place.is_null()).count(),
        1,
        "the ticket it came from is its customer's: {tickets:?}"
    );
}
