//! `graphql-transport-ws` spoken by hand: a scene per close code and per promise of an open socket.
//! Not here: what real clients make of it (`tests/clients`), and what is streamed (`live`).

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::harness::socket::{Heard, Socket};
use crate::harness::{Stage, TestApp};

const IDLE: &str = "subscription { noticeReceived { cursor } }";

async fn server(change: impl FnOnce(&mut boxoffice::http::websocket::Settings)) -> (Stage, TestApp) {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| change(&mut options.sockets)).await;
    (stage, app)
}

#[tokio::test]
async fn every_close_code() {
    let (_stage, app) = server(|sockets| sockets.init = Duration::from_millis(100)).await;
    let mut early = Socket::connect(&app.address).await;
    early.subscribe("1", "{ viewer { id } }", json!({})).await;
    assert_eq!(early.close_code().await, 4401);
    assert_eq!(Socket::connect(&app.address).await.close_code().await, 4408, "nobody said hello");
    let mut twice = Socket::open(&app.address, None).await;
    twice.say(json!({ "type": "connection_init" })).await;
    assert_eq!(twice.close_code().await, 4429);
    let person = app.customer().await;
    let mut same = person.socket().await;
    same.subscribe("1", IDLE, json!({})).await;
    same.subscribe("1", IDLE, json!({})).await;
    assert_eq!(same.close_code().await, 4409);
    for payload in
        [json!({ "Authorization": "Bearer nobody" }), json!({ "Authorization": 1 }), json!({ "token": "nobody" })]
    {
        let mut refused = Socket::connect(&app.address).await;
        refused.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(refused.close_code().await, 4403);
    }
    let mut large = Socket::open(&app.address, None).await;
    large.say_text(&"x".repeat(70_000)).await;
    assert_eq!(large.close_code().await, 1009);
    for text in [
        "nonsense",
        "",
        "[]",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"start","id":"1","payload":{"query":"{ viewer { id } }"}}"#,
        r#"{"type":"connection_terminate"}"#,
        r#"{"type":"subscribe","payload":{"query":"{ viewer { id } }"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
    ] {
        let mut wrong = Socket::open(&app.address, None).await;
        wrong.say_text(text).await;
        match wrong.hear().await {
            Heard::Closed(4400, reason) => assert!(!reason.is_empty() && reason.len() <= 123, "{text}: {reason}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    // Legacy or no subprotocol.
    for protocol in [None, Some("graphql-ws")] {
        let mut request = format!("ws://{}/graphql/ws", app.address).into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        let (stream, _) = connect_async(request).await.unwrap();
        assert_eq!(Socket::of(stream).close_code().await, 4406);
    }
}

#[tokio::test]
async fn a_foreign_page_opens_no_socket() {
    let (_stage, app) = server(|_| ()).await;
    for (origin, may) in
        [(format!("http://{}", app.address), true), ("https://evil.example".into(), false), ("null".into(), false)]
    {
        let mut request = format!("ws://{}/graphql/ws", app.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match connect_async(request).await {
            Ok(_) => assert!(may, "{origin}"),
            Err(Error::Http(response)) => assert!(!may && response.status() == 403, "{origin}"),
            Err(other) => panic!("{origin}: {other}"),
        }
    }
}

#[tokio::test]
async fn queries_errors_and_results_over_the_socket() {
    let (_stage, app) = server(|_| ()).await;
    let mut socket = app.customer().await.socket().await;
    socket.say(json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(socket.message().await, json!({ "type": "pong", "payload": { "a": 1 } }));
    socket.subscribe("q", "{ viewer { role } }", json!({})).await;
    assert_eq!(socket.next("q").await, json!({ "viewer": { "role": "CUSTOMER" } }));
    assert_eq!(socket.message().await, json!({ "type": "complete", "id": "q" }));
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { a: noticeReceived { cursor } b: noticeReceived { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { eventBookingChanged { cursor } }", "FORBIDDEN"),
        ("subscription { availabilityChanged(eventId: \"nonsense\") { revision } }", "BAD_USER_INPUT"),
    ] {
        socket.subscribe("x", query, json!({})).await;
        let message = socket.message().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("x")), "{message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], code, "{message}");
    }
    // A field that fails is part of a result.
    socket.subscribe("x", "{ viewer { role } myEvents(first: 1) { totalCount } }", json!({})).await;
    let message = socket.message().await;
    assert_eq!(message["payload"]["data"], json!({ "viewer": { "role": "CUSTOMER" }, "myEvents": Value::Null }));
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn operations_are_bounded_and_can_be_ended() {
    let (_stage, app) = server(|_| ()).await;
    let mut socket = app.customer().await.socket().await;
    for n in 0..64 {
        socket.subscribe(&n.to_string(), IDLE, json!({})).await;
    }
    for _ in 0..64 {
        assert_eq!(socket.message().await["type"], "next");
    }
    socket.subscribe("more", "{ viewer { id } }", json!({})).await;
    assert_eq!(socket.message().await["payload"][0]["extensions"]["code"], "TOO_COSTLY");
    socket.say(json!({ "type": "complete", "id": "0" })).await;
    socket.subscribe("more", "{ viewer { role } }", json!({})).await;
    assert_eq!(socket.next("more").await["viewer"]["role"], "CUSTOMER");
}

#[tokio::test]
async fn a_token_that_ends_closes_its_sockets_only() {
    let (_stage, app) = server(|sockets| sockets.recheck = Duration::from_millis(20)).await;
    let person = app.customer().await;
    let (mut signed_in, mut anonymous) = (person.socket().await, Socket::open(&app.address, None).await);
    app.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(signed_in.close_code().await, 4403);
    anonymous.subscribe("q", "{ viewer { id } }", json!({})).await;
    assert_eq!(anonymous.next("q").await, json!({ "viewer": null }));
}
