//! Limits of clients: buckets, connections, sockets, messages, headers that do not arrive.
//! Not here: limits of one document (`cost`).

use std::num::NonZeroU32;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use boxoffice::access::Peer;
use boxoffice::engine::budget;
use boxoffice::http::listen::client;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::frames::{self, Frames};
use crate::harness::events::{Events, stream};
use crate::harness::socket::Socket;
use crate::harness::{PATIENCE, Stage, TestApp};

fn n(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// Returns buckets of one size for users and addresses.
fn bucket(points: u32, per_second: u32) -> budget::Settings {
    budget::Settings { points: n(points), per_second: n(per_second), address_factor: n(1) }
}

/// Each viewer has a bucket; it empties by cost, refills with time, and is separate from all others.
#[apply(scene!)]
async fn a_bucket_empties_by_cost_and_refills(stage: Stage) {
    let app = stage.app_with(|options| options.budget = Some(bucket(100, 10))).await;
    let (grace, alan) = (app.customer().await, app.customer().await);
    let page = "{ events(first: 30) { nodes { id } } }"; // the operation, the connection, 30 rows
    let first = grace.ask(page, json!({})).await.ok();
    let cost = first.body["extensions"]["cost"].clone();
    let requested = cost["requested"].as_i64().unwrap();
    assert_eq!(
        cost,
        json!({ "requested": requested, "remaining": 100 - requested, "limit": 100, "restorePerSecond": 10 })
    );
    assert!((30..=40).contains(&requested), "{requested}");
    grace.ask(page, json!({})).await.ok();
    grace.ask(page, json!({})).await.ok();
    let refused = grace.ask(page, json!({})).await;
    assert_eq!((refused.status, refused.fault()), (429, "RATE_LIMITED"), "{}", refused.body);
    let wait = refused.body["errors"][0]["extensions"]["retryAfterMs"].as_u64().unwrap();
    assert!(wait > 0 && wait <= 10_000, "{wait}");
    assert!(refused.body.get("data").is_none(), "nothing ran");
    let left = 100 - 3 * requested;
    assert_eq!(
        refused.body["extensions"]["cost"],
        json!({ "requested": requested, "remaining": left, "limit": 100, "restorePerSecond": 10 })
    );
    // Alan and requests without an account have buckets of their own.
    alan.ask(page, json!({})).await.ok();
    app.anonymous().ask(page, json!({})).await.ok();
    // At the time that the answer named: not a moment earlier.
    app.clock.advance(Duration::from_millis(wait - 1));
    assert_eq!(grace.ask(page, json!({})).await.fault(), "RATE_LIMITED");
    app.clock.advance(Duration::from_millis(1));
    grace.ask(page, json!({})).await.ok();
    // The socket draws from the same bucket.
    let mut socket = grace.socket().await;
    socket.subscribe("q", page, json!({})).await;
    let error = socket.message().await;
    assert_eq!((&error["type"], &error["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("RATE_LIMITED")));
    let live = "subscription { noticeReceived { cursor } }";
    for at in 0..100 {
        socket.subscribe(&format!("s{at}"), live, json!({})).await;
        let answer = socket.message().await;
        if answer["type"] == "error" {
            assert_eq!(answer["payload"][0]["extensions"]["code"], "RATE_LIMITED");
            return;
        }
    }
    panic!("subscriptions cost nothing");
}

/// Invalid credentials are refused by the bucket of their address, before the database is asked about them.
#[tokio::test]
async fn made_up_tokens_end_with_a_bucket() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.budget = Some(bucket(300, 10))).await;
    let ask = |nth: u128| {
        let id = URL_SAFE_NO_PAD.encode(uuid::Uuid::from_u128(nth).as_bytes());
        let token = format!("bo_{id}{}", "A".repeat(43));
        let url = format!("http://{}/graphql", app.address);
        app.http.post(url).bearer_auth(token).json(&json!({ "query": "{ __typename }" })).send()
    };
    for nth in 0..3 {
        assert_eq!(ask(nth).await.unwrap().status(), 401);
    }
    let refused = ask(3).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()[RETRY_AFTER]), (429, &"10".parse().unwrap()));
    // A token that was looked up is known to be invalid.
    assert_eq!(ask(0).await.unwrap().status(), 401);
    let mut socket = Socket::connect(&app.address).await;
    let id = URL_SAFE_NO_PAD.encode(uuid::Uuid::from_u128(9).as_bytes());
    let payload = json!({ "Authorization": format!("Bearer bo_{id}{}", "A".repeat(43)) });
    socket.say(json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(socket.closed().await.0, 1013);
}

#[tokio::test]
async fn an_empty_bucket_says_when_to_come_back() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.budget = Some(bucket(1, 1))).await;
    let ask = || {
        let url = format!("http://{}/graphql", app.address);
        app.http.post(url).json(&json!({ "query": "{ a: __typename b: __typename }" })).send()
    };
    assert_eq!(ask().await.unwrap().status(), 200);
    let refused = ask().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()[RETRY_AFTER], "1", "whole seconds");
}

#[tokio::test]
async fn introspection_fits_into_a_full_bucket() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.budget = Some(budget::Settings::default())).await;
    let query = include_str!("data/introspection.graphql");
    let answer = app.anonymous().ask(query, json!({})).await.ok();
    let cost = &answer.body["extensions"]["cost"];
    let requested = cost["requested"].as_i64().unwrap();
    assert!((20..=100).contains(&requested), "{cost}: it has a price, and a page can be used at once");
    assert_eq!(cost["remaining"].as_i64().unwrap(), cost["limit"].as_i64().unwrap() - requested);
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.connections.per_address = 3).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(TcpStream::connect(&app.address).await.unwrap());
    }
    // A socket counts as a connection as long as it is open, although HTTP has ended on it.
    let mut socket = Socket::open(&app.address, None).await;
    let answer = one_more(&app.address).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body: Value = serde_json::from_str(body).expect("the whole body, as long as it says");
    assert_eq!(body["errors"][0]["extensions"]["code"], "OVERLOADED");
    socket.subscribe("q", "{ __typename }", json!({})).await;
    assert_eq!(socket.next("q").await["__typename"], "Query", "who is in is served");
    drop(open.pop());
    app.eventually("there is room again", || async { one_more(&app.address).await.starts_with("HTTP/1.1 200 ") }).await;
}

/// Returns the answer to one more connection.
async fn one_more(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).await; // it may have been refused before
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn behind_a_proxy_each_client_is_counted_for_itself() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| (options.connections.per_address, options.connections.proxies) = (1, 1)).await;
    let event = app.organizer().await.event(1).await;
    let watch = "subscription($id: ID!) { availabilityChanged(eventId: $id) { available } }";
    let ask = |client: &'static str| {
        let request = app.http.get(format!("http://{}/healthz", app.address)).header("x-forwarded-for", client);
        async move { request.send().await.unwrap() }
    };
    // A stream and a socket hold a slot of their client, in whatever connection they came.
    let (greedy, other) = ("2001:db8::1", "2001:db8:0:1::1");
    let request = stream(&app, watch, json!({ "id": event })).header("x-forwarded-for", greedy);
    let open = Events::open(request, "text/event-stream").await;
    for client in [greedy, "2001:db8::2"] {
        let refused = ask(client).await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()[RETRY_AFTER]),
            (503, &"1".parse().unwrap()),
            "{client}"
        );
        let body: Value = serde_json::from_slice(&refused.bytes().await.unwrap()).unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "OVERLOADED");
    }
    for _ in 0..3 {
        assert_eq!(ask(other).await.status(), 200, "nobody else is locked out, and an answer is over when it is read");
    }
    drop(open);
    app.eventually("there is room again", || async { ask(greedy).await.status() == 200 }).await;
    let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("x-forwarded-for", other)];
    let socket = Socket::connect_with(&app.address, &headers).await.unwrap();
    assert_eq!(
        (ask(other).await.status(), ask(greedy).await.status()),
        (503.try_into().unwrap(), 200.try_into().unwrap())
    );
    socket.cut();
    app.eventually("there is room again", || async { ask(other).await.status() == 200 }).await;
}

/// A client with one IPv6 network has 65,536 networks of 64 bits in it, and must not take every connection.
#[tokio::test]
async fn a_network_of_ipv6_has_so_many_connections() {
    let stage = Stage::sqlite();
    let app = stage
        .app_with(|options| {
            (options.connections.per_address, options.connections.per_network, options.connections.proxies) = (9, 2, 1);
        })
        .await;
    let event = app.organizer().await.event(1).await;
    let watch = "subscription($id: ID!) { availabilityChanged(eventId: $id) { available } }";
    let ask = async |client: &'static str| {
        let request = app.http.get(format!("http://{}/healthz", app.address)).header("x-forwarded-for", client);
        request.send().await.unwrap().status().as_u16()
    };
    let mut open = Vec::new();
    for client in ["2001:db8:0:1::1", "2001:db8:0:2::1"] {
        assert_eq!(ask(client).await, 200);
        let request = stream(&app, watch, json!({ "id": event })).header("x-forwarded-for", client);
        open.push(Events::open(request, "text/event-stream").await);
    }
    assert_eq!(ask("2001:db8:0:3::1").await, 503);
    for other in ["2001:db8:1:1::1", "203.0.113.9"] {
        assert_eq!(ask(other).await, 200, "{other}");
    }
    drop(open.pop());
    app.eventually("there is room again", || async { ask("2001:db8:0:3::1").await == 200 }).await;
}

#[tokio::test]
async fn who_reads_no_answers_is_left() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.connections.write = Duration::from_millis(50)).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(app.address.parse().unwrap()).await.unwrap();
    let requests = "GET /x HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    // When the answers fill the buffers, nothing more is read until the connection has ended.
    let ask = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, ask).await.expect("it stays for ever");
}

#[tokio::test]
async fn a_service_has_so_many_connections() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.connections.connections = 1).await;
    let _open = TcpStream::connect(&app.address).await.unwrap();
    assert!(one_more(&app.address).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let stage = Stage::sqlite();
    let app = stage
        .app_with(|options| {
            options.connections.headers = Duration::from_millis(50);
            options.connections.idle = 2 * PATIENCE;
        })
        .await;
    let slow = "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ";
    let mut patient = TcpStream::connect(&app.address).await.unwrap();
    answered(&mut patient, &app).await;
    // The first header, and one after an answer: a client that was answered before has no more time.
    for (served, said) in [(false, ""), (false, slow), (true, slow)] {
        let mut stream = TcpStream::connect(&app.address).await.unwrap();
        if served {
            answered(&mut stream, &app).await;
        }
        stream.write_all(said.as_bytes()).await.unwrap();
        ends(stream).await;
    }
    // A client that is silent between requests was not disconnected.
    answered(&mut patient, &app).await;
    let mut stream = TcpStream::connect(&app.address).await.unwrap();
    let huge = format!("GET / HTTP/1.1\r\nhost: x\r\nx-huge: {}\r\n\r\n", "x".repeat(64 << 10));
    let _ = stream.write_all(huge.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431 "), "headers have a size");
}

#[tokio::test]
async fn idle_connections_end() {
    let stage = Stage::sqlite();
    let app = stage
        .app_with(|options| {
            options.connections.headers = 2 * PATIENCE;
            options.connections.idle = Duration::from_millis(50);
        })
        .await;
    let mut stream = TcpStream::connect(&app.address).await.unwrap();
    answered(&mut stream, &app).await;
    ends(stream).await;
}

/// Sends a request and reads the answer.
async fn answered(stream: &mut TcpStream, app: &TestApp) {
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", app.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut some) = (String::new(), [0; 1_024]);
    while !answer.ends_with(r#"{"status":"ok"}"#) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut some)).await.expect("no answer").unwrap();
        assert!(read > 0, "closed: {answer}");
        answer.push_str(std::str::from_utf8(&some[..read]).unwrap());
    }
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Checks that the other side closes, without an answer.
async fn ends(mut stream: TcpStream) {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("it is waited for without end").ok();
    assert!(!String::from_utf8_lossy(&answer).contains("200"), "{answer:?}");
}

#[apply(scene!)]
async fn a_user_has_so_many_sockets(stage: Stage) {
    let app = stage.app_with(|options| options.sockets.per_user = 2).await;
    let (grace, alan) = (app.customer().await, app.customer().await);
    let first = grace.socket().await;
    let _second = grace.socket().await;
    let mut third = Socket::connect(&app.address).await;
    let token = json!({ "Authorization": format!("Bearer {}", grace.token.as_ref().unwrap()) });
    third.say(json!({ "type": "connection_init", "payload": token })).await;
    assert_eq!(third.closed().await, (4429, "Too many sockets of this user".to_owned()));
    alan.socket().await;
    // A socket that closes frees its slot.
    drop(first);
    let renewed = || async {
        let mut socket = Socket::connect(&app.address).await;
        socket.say(json!({ "type": "connection_init", "payload": token })).await;
        matches!(socket.hear().await, crate::harness::socket::Heard::Message(message) if message["type"] == "connection_ack")
    };
    app.eventually("there is room again", renewed).await;
}

#[tokio::test]
async fn a_socket_may_send_so_many_messages() {
    let stage = Stage::sqlite();
    let app = stage
        .app_with(|options| {
            (options.sockets.messages_per_second, options.sockets.messages_at_once) = (n(1), n(5));
        })
        .await;
    let mut socket = Socket::open(&app.address, None).await; // the first message
    for _ in 0..100 {
        socket.say(json!({ "type": "ping" })).await;
    }
    assert_eq!(socket.closed().await, (4429, "Too many messages".to_owned()));
}

#[tokio::test]
async fn frames_without_messages_count_too() {
    let stage = Stage::sqlite();
    let slow = |options: &mut boxoffice::app::Options| {
        (options.sockets.messages_per_second, options.sockets.messages_at_once) = (n(1), n(5));
        (options.sockets.init, options.sockets.ping) = (PATIENCE, Duration::from_millis(20));
    };
    let app = stage.app_with(slow).await;
    for kind in [frames::PING, frames::PONG] {
        let mut socket = Frames::open(&app.address).await;
        socket.say_bytes(&[kind, 0x80, 0, 0, 0, 0].repeat(100)).await;
        assert_eq!(socket.closed().await, (4429, "Too many messages".to_owned()), "{kind:x}");
    }
    // A client that answers pings may do so as often as it is pinged.
    let mut honest = Frames::open(&app.address).await;
    for _ in 0..20 {
        assert_eq!(honest.hear().await, (frames::PING, Vec::new()));
        honest.say(frames::PONG, &[]).await;
    }
}

#[test]
fn only_the_word_of_trusted_proxies_counts() {
    let peer = |text: &str| Peer(text.parse().unwrap());
    let neighbour = peer("192.0.2.1");
    let said = |values: &[&str], proxies| {
        let mut headers = axum::http::HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        client(neighbour, &headers, proxies)
    };
    assert_eq!(said(&["198.51.100.7"], 0), neighbour, "nobody is trusted unless told so");
    assert_eq!(said(&["198.51.100.7"], 1), peer("198.51.100.7"));
    assert_eq!(said(&["6.6.6.6, 198.51.100.7"], 1), peer("198.51.100.7"), "a client may write what it likes before it");
    assert_eq!(said(&["6.6.6.6", "198.51.100.7"], 1), peer("198.51.100.7"), "in one header or several");
    assert_eq!(said(&["6.6.6.6, 198.51.100.7, 10.0.0.1"], 2), peer("198.51.100.7"));
    for nonsense in [&[][..], &["no address"], &["198.51.100.7, unknown"]] {
        assert_eq!(said(nonsense, 1), neighbour);
    }
    assert_eq!(said(&["198.51.100.7"], 2), neighbour, "fewer than there must be");
    assert_eq!(peer("2001:db8:1:2:3:4:5:6").place(), peer("2001:db8:1:2::").0, "one customer's network is one place");
    assert_eq!(peer("::ffff:192.0.2.1").place(), neighbour.0);
}
