//! `graphql-transport-ws` written by hand: one test per close code and per promise of an open socket.
//! Not here: real clients (`tests/clients`), and the contents of the live fields (`live`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use boxoffice::http::websocket::Settings;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use super::frames::{self, Frames};
use super::stand::Stand;
use crate::harness::socket::{Heard, Socket};
use crate::harness::{Actor, PATIENCE, Stage, TestApp};

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

const NAME: &str = "{ viewer { name } }";
const NOTICES: &str = "subscription { noticeReceived { notice { kind } } }";
const AVAILABILITY: &str = "subscription($id: ID!) { availabilityChanged(eventId: $id) { sold } }";
const SIGN_UP: &str = "mutation { waits: signUp(input: {email: \"a@example.org\", password: \"correct horse\", name: \"A\", \
                       role: CUSTOMER}) { viewer { name } userErrors { code } } }";

async fn anonymous(app: &TestApp) -> Socket {
    Socket::open(&app.address, None).await
}

/// Sends a query or mutation, checks that the operation ended, and returns its result.
async fn answer(socket: &mut Socket, query: &str) -> Value {
    socket.subscribe("answer", query, json!({})).await;
    let data = socket.next("answer").await;
    assert_eq!(socket.message().await, json!({ "type": "complete", "id": "answer" }));
    data
}

/// Returns the code of the `error` message of an operation.
async fn refusal(socket: &mut Socket, id: &str) -> String {
    let message = socket.message().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
    assert!(!message.to_string().contains("secret"), "{message}");
    message["payload"][0]["extensions"]["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn queries_mutations_and_subscriptions() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let mut socket = customer.socket().await;
    assert_eq!(answer(&mut socket, "{ __typename }").await, json!({ "__typename": "Query" }));
    let read = answer(&mut socket, "mutation { markNoticesRead(input: {upTo: 0}) { readUpTo } }").await;
    assert_eq!(read["markNoticesRead"]["readUpTo"], 0);
    // The same id again: it is free. The root field may be in fragments, and more than once.
    let query =
        "subscription($id: ID!) { ...A } fragment A on Subscription { availabilityChanged(eventId: $id) { sold } ...B }
                 fragment B on Subscription { availabilityChanged(eventId: $id) { __typename } }";
    socket.subscribe("answer", query, json!({ "id": event })).await;
    let state = |sold: i64| json!({ "availabilityChanged": { "sold": sold, "__typename": "Availability" } });
    assert_eq!(socket.next("answer").await, state(0));
    customer.books(&event, 2).await;
    assert_eq!(socket.next("answer").await, state(2));
    socket.say(json!({ "type": "complete", "id": "answer" })).await;
    assert_eq!(answer(&mut socket, NAME).await["viewer"]["name"], customer.name().await);
}

#[tokio::test]
async fn request_errors_are_error_messages_and_execution_errors_are_results() {
    let stand = Stand::open(|_| ()).await;
    let event = stand.app.organizer().await.event(9).await;
    let mut socket = anonymous(&stand.app).await;
    let both = format!("availabilityChanged(eventId: \"{event}\") {{ sold }}");
    let other = "availabilityChanged(eventId: \"RXZlbnQ6AAAAAAAAAAAAAAAAAAAABw\") { sold }";
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (&format!("subscription {{ {both} noticeReceived {{ cursor }} }}"), "GRAPHQL_VALIDATION_FAILED"),
        (&format!("subscription {{ a: {both} b: {both} }}"), "GRAPHQL_VALIDATION_FAILED"),
        (&format!("subscription {{ {both} {other} }}"), "GRAPHQL_VALIDATION_FAILED"),
        (
            &format!("subscription {{ {both} ...A }} fragment A on Subscription {{ {other} }}"),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { ...A } fragment A on Subscription { noticeReceived { cursor } bookingChanged { cursor } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { noticeReceived @skip(if: true) { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query Q($id: ID!) { event(id: $id) { id } }", "BAD_USER_INPUT"),
        (
            "{ a:__typename b:__typename c:__typename d:__typename e:__typename f:__typename g:__typename h:__typename
            i:__typename j:__typename k:__typename }",
            "TOO_COSTLY",
        ),
        (NOTICES, "UNAUTHENTICATED"), // a guard, before there is a stream
        (&format!("subscription {{ {other} }}"), "NOT_FOUND"),
        ("{ panics: viewer { id } }", "INTERNAL"),
    ] {
        socket.subscribe("x", query, json!({})).await;
        assert_eq!(refusal(&mut socket, "x").await, code, "{query}");
    }
    socket.subscribe("x", "{ __typename notices(first: 1) { nodes { id } } }", json!({})).await;
    let message = socket.message().await;
    assert_eq!(
        (&message["type"], &message["payload"]["data"]),
        (&json!("next"), &json!({ "__typename": "Query", "notices": null }))
    );
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(socket.message().await["type"], "complete");
}

#[tokio::test]
async fn a_panic_ends_its_own_operation_only() {
    let stand = Stand::open(|_| ()).await;
    let (organizer, customer) = (stand.app.organizer().await, stand.app.customer().await);
    let event = organizer.event(9).await;
    let mut socket = anonymous(&stand.app).await;
    socket
        .subscribe("bad", &AVAILABILITY.replace("availability", "panicsLater: availability"), json!({ "id": event }))
        .await;
    assert_eq!(socket.next("bad").await["panicsLater"]["sold"], 0);
    socket.subscribe("good", AVAILABILITY, json!({ "id": event })).await;
    assert_eq!(socket.next("good").await["availabilityChanged"]["sold"], 0);
    customer.books(&event, 1).await;
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let message = socket.message().await;
        assert!(!message.to_string().contains("secret"), "{message}");
        kinds.push((message["id"].as_str().unwrap().to_owned(), message["type"].as_str().unwrap().to_owned()));
    }
    kinds.sort();
    assert_eq!(kinds, [("bad".to_owned(), "error".to_owned()), ("good".to_owned(), "next".to_owned())]);
    // A panic outside of any field: nothing of the request was run, and its id is free again.
    for _ in 0..2 {
        let payload = json!({ "query": "query Panics { __typename }", "operationName": "Panics" });
        socket.say(json!({ "type": "subscribe", "id": "bad", "payload": payload })).await;
        assert_eq!(refusal(&mut socket, "bad").await, "INTERNAL");
    }
    answer(&mut socket, "{ __typename }").await;
}

#[tokio::test]
async fn tokens_come_in_the_payload_or_the_header() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let (ada, ben) = (app.customer().await, app.customer().await);
    let (token, other) = (ada.token.clone().unwrap(), ben.token.clone().unwrap());
    let name = ada.name().await;
    for payload in [
        json!({ "Authorization": format!("Bearer {token}") }),
        json!({ "authorization": format!("bearer {token}") }),
        json!({ "token": token }),
    ] {
        let mut socket = Socket::connect(&app.address).await;
        socket.init(payload).await;
        assert_eq!(answer(&mut socket, NAME).await["viewer"]["name"], name);
    }
    // The header of the upgrade counts if the payload has no token.
    let bearer = format!("Bearer {other}");
    for (payload, name) in [(json!(null), ben.name().await), (json!({ "token": token }), name)] {
        let headers = [PROTOCOL, ("authorization", bearer.as_str())];
        let mut socket = Socket::connect_with(&app.address, &headers).await.unwrap();
        socket.init(payload).await;
        assert_eq!(answer(&mut socket, NAME).await["viewer"]["name"], name);
    }
}

#[tokio::test]
async fn closes_4400_on_wrong_messages() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let subscribe = |payload: Value| json!({ "type": "subscribe", "id": "1", "payload": payload }).to_string();
    for text in [
        "nonsense".to_owned(),
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        json!({ "type": 1 }).to_string(),
        json!({ "type": "x".repeat(1_000) }).to_string(),
        json!({ "type": "start", "id": "1", "payload": { "query": "{ __typename }" } }).to_string(),
        json!({ "type": "connection_terminate" }).to_string(),
        json!({ "type": "ping", "payload": 1 }).to_string(),
        json!({ "type": "subscribe", "payload": { "query": "{ __typename }" } }).to_string(),
        json!({ "type": "subscribe", "id": "", "payload": { "query": "{ __typename }" } }).to_string(),
        json!({ "type": "subscribe", "id": 1, "payload": { "query": "{ __typename }" } }).to_string(),
        json!({ "type": "subscribe", "id": "x".repeat(300), "payload": { "query": "{ __typename }" } }).to_string(),
        json!({ "type": "subscribe", "id": "1" }).to_string(),
        json!({ "type": "complete" }).to_string(),
        subscribe(json!({})),
        subscribe(json!({ "query": 1 })),
        subscribe(json!({ "query": "{ __typename }", "variables": 1 })),
        subscribe(json!({ "query": "{ __typename }", "operationName": 1 })),
        subscribe(json!({ "query": "{ __typename }", "extensions": "" })),
        "[".repeat(10_000),
    ] {
        let mut socket = anonymous(&app).await;
        socket.say_text(&text).await;
        let (code, reason) = socket.closed().await;
        assert!(code == 4400 && !reason.is_empty() && reason.len() <= 123, "{text}: {code} {reason}");
    }
    let mut socket = Socket::connect(&app.address).await;
    socket.say(json!({ "type": "connection_init", "payload": "token" })).await;
    assert_eq!(socket.closed().await.0, 4400);
    let mut frames = Frames::open(&app.address).await;
    frames.say(0x82, br#"{"type":"ping"}"#).await;
    assert_eq!(frames.closed().await, (4400, "Messages are text".to_owned()));
}

#[tokio::test]
async fn closes_4401_on_operations_before_initialisation() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let mut socket = Socket::connect(&app.address).await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.closed().await, (4401, "Unauthorized".to_owned()));
}

#[tokio::test]
async fn closes_4403_on_tokens_that_are_not_good() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let token = app.customer().await.token.unwrap();
    for payload in [
        json!({ "Authorization": "Bearer nobody" }),
        json!({ "Authorization": token }),
        json!({ "Authorization": 1 }),
        json!({ "token": "nobody" }),
        json!({ "token": {} }),
    ] {
        let mut socket = Socket::connect(&app.address).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.closed().await, (4403, "Access token not valid".to_owned()), "{payload}");
    }
    let headers = [PROTOCOL, ("authorization", "Basic x")];
    let mut socket = Socket::connect_with(&app.address, &headers).await.unwrap();
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await.0, 4403);
}

#[tokio::test]
async fn closes_4403_when_a_session_ends() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let (signed_out, expired) = (app.customer().await, app.customer().await);
    let (mut first, mut second, mut nobody) =
        (signed_out.socket().await, expired.socket().await, anonymous(&app).await);
    app.revoke(signed_out.user).await;
    assert_eq!(first.closed().await, (4403, "Signed out".to_owned()));
    answer(&mut second, "{ __typename }").await;
    app.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(second.closed().await, (4403, "Access token expired".to_owned()));
    answer(&mut nobody, "{ __typename }").await;
}

#[tokio::test]
async fn closes_4406_on_other_subprotocols() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for offered in [None, Some("graphql-ws"), Some("graphql-ws, soap")] {
        let headers: Vec<_> = offered.iter().map(|offered| (PROTOCOL.0, *offered)).collect();
        let mut socket = Socket::connect_with(&app.address, &headers).await.unwrap();
        assert_eq!(socket.closed().await, (4406, "Subprotocol not acceptable".to_owned()), "{offered:?}");
    }
    let headers = [(PROTOCOL.0, "graphql-ws, graphql-transport-ws")];
    Socket::connect_with(&app.address, &headers).await.unwrap().init(json!({})).await;
}

#[tokio::test]
async fn closes_4408_without_initialisation() {
    let stand = Stand::open(|plan| plan.sockets.init = Duration::from_millis(50)).await;
    let mut socket = Socket::connect(&stand.app.address).await;
    assert_eq!(socket.closed().await, (4408, "Connection initialisation timeout".to_owned()));
}

#[tokio::test]
async fn closes_4409_on_an_id_that_is_running() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let event = app.organizer().await.event(1).await;
    for id in ["one".to_owned(), "é".repeat(128)] {
        let mut socket = anonymous(&app).await;
        socket.subscribe(&id, AVAILABILITY, json!({ "id": event })).await;
        socket.next(&id).await;
        socket.subscribe(&id, "{ __typename }", json!({})).await;
        let (code, reason) = socket.closed().await;
        assert!(code == 4409 && reason.starts_with("Subscriber for ") && reason.len() <= 123, "{code} {reason}");
    }
}

#[tokio::test]
async fn closes_4429_on_a_second_initialisation() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let mut socket = anonymous(&app).await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, (4429, "Too many initialisation requests".to_owned()));
}

#[tokio::test]
async fn closes_1001_on_silence_and_not_on_whoever_answers() {
    let quick = Duration::from_millis(20);
    let settings = Settings { init: PATIENCE, ping: quick, pong: PATIENCE, ..Settings::default() };
    let stand = Stand::open(|plan| plan.sockets = settings).await;
    let mut alive = Frames::open(&stand.app.address).await;
    for _ in 0..3 {
        assert_eq!(alive.hear().await, (frames::PING, Vec::new()));
        alive.say(frames::PONG, &[]).await;
    }
    let stand = Stand::open(|plan| plan.sockets = Settings { pong: quick, ..settings }).await;
    let mut silent = Frames::open(&stand.app.address).await;
    assert_eq!(silent.closed().await, (1001, "No answer to a ping".to_owned()));
}

#[tokio::test]
async fn closes_1002_on_what_is_no_frame() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for bytes in [&[0x81, 0x02, b'{', b'}'][..], &[0xf1, 0x80, 0, 0, 0, 0], &[0x83, 0x80, 0, 0, 0, 0]] {
        let mut frames = Frames::open(&app.address).await;
        frames.say_bytes(bytes).await; // without its mask, with reserved bits, of an unknown kind
        assert_eq!(frames.closed().await, (1002, "Protocol error".to_owned()), "{bytes:?}");
    }
}

#[tokio::test]
async fn closes_1007_on_text_that_is_not_utf_8() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let mut frames = Frames::open(&app.address).await;
    frames.say(frames::TEXT, b"{\"type\":\"\xff\"}").await;
    assert_eq!(frames.closed().await, (1007, "Text is not UTF-8".to_owned()));
}

#[tokio::test]
async fn closes_1009_on_messages_that_are_too_big() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let mut socket = anonymous(&app).await;
    let just = json!({ "type": "ping", "payload": { "a": "x".repeat(65_000) } });
    socket.say(just.clone()).await;
    assert_eq!(socket.message().await, json!({ "type": "pong", "payload": just["payload"] }));
    socket.say_text(&"x".repeat(70_000)).await;
    assert_eq!(socket.closed().await, (1009, "Message too big".to_owned()));
}

#[tokio::test]
async fn closes_1012_after_what_runs_when_the_service_stops() {
    let stand = Stand::open(|_| ()).await;
    let event = stand.app.organizer().await.event(1).await;
    let mut socket = anonymous(&stand.app).await;
    socket.subscribe("s", AVAILABILITY, json!({ "id": event })).await;
    socket.next("s").await;
    socket.subscribe("m", SIGN_UP, json!({})).await;
    stand.saboteur.begun.seen().await;
    stand.shutdown.cancel();
    stand.saboteur.gate.give();
    assert_eq!(socket.next("m").await["waits"]["viewer"]["name"], "A", "no word about the stream");
    assert_eq!(socket.message().await, json!({ "type": "complete", "id": "m" }));
    assert_eq!(socket.closed().await, (1012, "Service restart".to_owned()));
    stand.ended().await;
}

#[tokio::test]
async fn closes_1012_without_what_takes_too_long() {
    let stand = Stand::open(|plan| plan.sockets.drain = Duration::from_millis(50)).await;
    let mut socket = anonymous(&stand.app).await;
    socket.subscribe("m", SIGN_UP, json!({})).await;
    stand.saboteur.begun.seen().await;
    stand.shutdown.cancel();
    assert_eq!(socket.closed().await, (1012, "Service restart".to_owned()));
    // No client waits for it any more, but it completes.
    stand.saboteur.gate.give();
    stand.ended().await;
    assert_eq!(stand.app.number("SELECT count(*) AS n FROM users", []).await, 1);
}

#[tokio::test]
async fn closes_1013_when_a_session_cannot_be_looked_up() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let token = app.customer().await.token.unwrap();
    app.sql("ALTER TABLE session RENAME TO lost", []).await;
    let mut socket = Socket::connect(&app.address).await;
    socket.say(json!({ "type": "connection_init", "payload": { "token": token } })).await;
    assert_eq!(socket.closed().await, (1013, "Try again later".to_owned()));
}

#[tokio::test]
async fn closes_1013_on_whoever_reads_too_slowly() {
    let stand = Stand::open(|plan| {
        plan.sockets.write = Duration::from_millis(50);
        plan.connections.write = Duration::from_millis(20); // not for sockets: nothing could be sent
    })
    .await;
    let event = stand.app.organizer().await.event(1).await;
    stand.saboteur.flood.store(true, Ordering::SeqCst);
    let mut socket = anonymous(&stand.app).await;
    socket.subscribe("s", AVAILABILITY, json!({ "id": event })).await;
    stand.saboteur.dropped.seen().await; // nothing was read until then
    assert_eq!(socket.closed().await, (1013, "Try again later".to_owned()));
}

/// Returns a customer's socket with a query that waits, which sends pings until the service reads no more of them.
async fn stuffed(stand: &Stand) -> (Actor, Socket) {
    let customer = stand.app.customer().await;
    let mut socket = customer.socket().await;
    socket.subscribe("q", "{ waits: viewer { name } }", json!({})).await;
    stand.saboteur.begun.seen().await;
    let ping = json!({ "type": "ping", "payload": { "a": "x".repeat(60_000) } });
    while tokio::time::timeout(Duration::from_millis(500), socket.say(ping.clone())).await.is_ok() {}
    (customer, socket)
}

/// Only the timeout of the close frame bounds the writing to a socket with a client that does not read.
async fn stubborn(close_frame: Duration) -> Stand {
    let sockets = Settings {
        queue: 4,
        recheck: Duration::from_millis(20),
        write: 2 * PATIENCE,
        ping: 2 * PATIENCE,
        close_frame,
        per_user: 1,
        messages_at_once: std::num::NonZeroU32::MAX,
        ..Settings::default()
    };
    Stand::open(|plan| (plan.sockets, plan.patience) = (sockets, 4 * PATIENCE)).await
}

#[tokio::test]
async fn a_farewell_goes_past_what_waits() {
    let stand = stubborn(2 * PATIENCE).await;
    let (customer, mut socket) = stuffed(&stand).await;
    stand.app.revoke(customer.user).await;
    stand.saboteur.dropped.seen().await; // it was noticed, although nothing was read
    assert_eq!(socket.closed().await, (4403, "Signed out".to_owned()));
    stand.ended().await;
}

#[tokio::test]
async fn a_socket_that_nobody_reads_is_over_after_its_farewell() {
    let stand = stubborn(Duration::from_millis(50)).await;
    let (customer, _socket) = stuffed(&stand).await;
    stand.app.revoke(customer.user).await;
    stand.ended().await;
}

#[tokio::test]
async fn a_socket_counts_until_its_farewell_is_over() {
    let stand = stubborn(2 * PATIENCE).await;
    let (customer, socket) = stuffed(&stand).await;
    stand.app.clock.advance(Duration::from_secs(15 * 60));
    stand.saboteur.dropped.seen().await;
    let again = stand.app.renewed(&customer).await;
    let open = || async {
        let mut other = Socket::connect(&stand.app.address).await;
        other.say(json!({ "type": "connection_init", "payload": { "token": again.token } })).await;
        matches!(other.hear().await, Heard::Message(_))
    };
    assert!(!open().await, "the old one is still there");
    socket.cut();
    stand.app.eventually("there is room again", open).await;
}

#[tokio::test]
async fn a_busy_stream_leaves_room_for_the_rest() {
    let stand = Stand::open(|_| ()).await;
    let event = stand.app.organizer().await.event(1).await;
    stand.saboteur.flood.store(true, Ordering::SeqCst);
    let mut socket = anonymous(&stand.app).await;
    socket.subscribe("s", AVAILABILITY, json!({ "id": event })).await;
    for n in 0..5 {
        socket.say(json!({ "type": "ping", "payload": { "n": n } })).await;
        loop {
            let message = socket.message().await;
            if message["type"] == "pong" {
                assert_eq!(message["payload"]["n"], n);
                break;
            }
            assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!("s")));
        }
    }
}

#[tokio::test]
async fn pings_are_answered_at_any_time() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let mut socket = Socket::connect(&app.address).await;
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong" }));
    socket.init(json!({})).await;
    socket.say(json!({ "type": "pong", "payload": { "a": 1 } })).await;
    socket.say(json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong", "payload": { "a": 1 } }));
}

#[tokio::test]
async fn operations_on_a_socket_are_bounded_and_can_be_ended() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let event = app.organizer().await.event(1).await;
    let mut socket = anonymous(&app).await;
    for n in 0..64 {
        socket.subscribe(&n.to_string(), AVAILABILITY, json!({ "id": event })).await;
        socket.next(&n.to_string()).await;
    }
    socket.subscribe("more", "{ __typename }", json!({})).await;
    assert_eq!(refusal(&mut socket, "more").await, "TOO_COSTLY");
    socket.say(json!({ "type": "complete", "id": "0" })).await;
    socket.say(json!({ "type": "complete", "id": "never there" })).await;
    answer(&mut socket, "{ __typename }").await;
}

#[tokio::test]
async fn changed_rights_end_streams_and_count_from_then_on() {
    let stand = Stand::open(|plan| plan.sockets.recheck = Duration::from_millis(20)).await;
    let customer = stand.app.customer().await;
    let mut socket = customer.socket().await;
    socket.subscribe("s", NOTICES, json!({})).await;
    socket.next("s").await;
    socket.subscribe("q", "{ waits: viewer { name } }", json!({})).await;
    stand.saboteur.begun.seen().await;
    let book = "{ myBookings(first: 1) { totalCount } }";
    assert_eq!(answer(&mut socket, book).await["myBookings"]["totalCount"], 0);
    let role = json!({ "userId": boxoffice::id::NodeId::to_global_id(customer.user), "role": "ADMIN" });
    stand.app.admin().await.mutate("setUserRole", role, "user { role }").await.ok();
    assert_eq!(refusal(&mut socket, "s").await, "FORBIDDEN");
    stand.saboteur.gate.give();
    assert!(socket.next("q").await["waits"]["name"].is_string(), "what has an end is let go on");
    assert_eq!(socket.message().await["type"], "complete");
    socket.subscribe("b", book, json!({})).await;
    assert_eq!(socket.message().await["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn a_socket_that_goes_away_ends_its_queries_and_streams_but_no_mutation() {
    let stand = Stand::open(|_| ()).await;
    let mut socket = anonymous(&stand.app).await;
    socket.subscribe("m", SIGN_UP, json!({})).await;
    stand.saboteur.begun.seen().await;
    socket.subscribe("q", "{ waits: viewer { id } }", json!({})).await;
    stand.saboteur.begun.seen().await;
    socket.cut();
    stand.saboteur.dropped.seen().await;
    stand.saboteur.gate.give();
    stand.ended().await;
    assert_eq!(stand.app.number("SELECT count(*) AS n FROM users", []).await, 1);
}

#[tokio::test]
async fn pages_of_other_origins_may_not_open_sockets() {
    let stand = Stand::open(|plan| plan.origins = vec!["https://box.example.org".to_owned()]).await;
    let own = format!("http://{}", stand.app.address);
    for (origin, may) in [
        (own.as_str(), true),
        ("https://box.example.org", true),
        ("https://evil.example", false),
        ("null", false),
        ("https://box.example.org.evil.example", false),
    ] {
        match Socket::connect_with(&stand.app.address, &[PROTOCOL, ("origin", origin)]).await {
            Ok(_) => assert!(may, "{origin}"),
            Err(Error::Http(response)) => assert!(!may && response.status() == 403, "{origin}"),
            Err(other) => panic!("{origin}: {other}"),
        }
    }
    let mut silent = Socket::connect(&stand.app.address).await;
    silent.say(json!({ "type": "connection_init" })).await;
    assert!(matches!(silent.hear().await, Heard::Message(_)), "a client that is no page says no origin");
}
