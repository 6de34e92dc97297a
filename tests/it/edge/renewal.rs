//! A socket and its token: renewed in place, warned before it closes, and closed with a reason that the documentation
//! lists.
//! Not here: the other closes (`socket`), and sessions (`account::sessions`).

use std::path::Path;
use std::time::Duration;

use boxoffice::account::token::LIFETIME;
use boxoffice::http::websocket::protocol::Close;
use regex::Regex;
use serde_json::{Value, json};

use crate::harness::socket::Socket;
use crate::harness::{Actor, Stage};

const NOTICES: &str = "subscription { noticeReceived { cursor notice { kind } } }";

async fn renews(socket: &mut Socket, token: &str) -> Value {
    socket.say(json!({ "type": "ping", "payload": { "authorization": format!("Bearer {token}") } })).await;
    let pong = socket.message().await;
    assert_eq!(pong["type"], "pong", "{pong}");
    assert!(!pong.to_string().contains(token), "it is not sent back");
    pong["payload"].clone()
}

async fn said(socket: &mut Socket) -> (Value, (u16, String)) {
    (socket.message().await, socket.closed().await)
}

#[apply(scene!)]
async fn a_token_is_renewed_in_place(stage: Stage) {
    let app = stage.app().await;
    let (organizer, grace, alan) = (app.organizer().await, app.customer().await, app.customer().await);
    let mut socket = grace.socket().await;
    socket.subscribe("n", NOTICES, json!({})).await;
    socket.next("n").await;
    app.clock.advance(LIFETIME - Duration::from_secs(60));
    // An invalid token changes nothing, nor does another user's.
    for token in ["nobody", alan.token.as_deref().unwrap()] {
        assert_eq!(renews(&mut socket, token).await["renewed"], false);
    }
    let next = app.renewed(&grace).await;
    let renewed = renews(&mut socket, next.token.as_deref().unwrap()).await;
    assert_eq!(renewed, json!({ "renewed": true, "expiresAt": app.clock.now().plus(LIFETIME).rfc3339() }));
    // Sending the old token again reverts nothing.
    assert_eq!(renews(&mut socket, grace.token.as_deref().unwrap()).await["renewed"], true);
    app.clock.advance(Duration::from_secs(120));
    // The stream that began under the old token continues, and so does one that begins now.
    let event = app.renewed(&organizer).await.event(5).await;
    next.books(&event, 1).await;
    assert_eq!(socket.next("n").await["noticeReceived"]["notice"]["kind"], "BOOKING_CONFIRMED");
    socket.subscribe("v", "{ viewer { id } }", json!({})).await;
    assert!(socket.next("v").await["viewer"]["id"].is_string());
    assert_eq!(socket.message().await["type"], "complete");
    app.clock.advance(LIFETIME);
    let (error, close) = said(&mut socket).await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("n")), "{error}");
    assert_eq!(error["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(close, (4403, "Access token expired".to_owned()));
}

#[apply(scene!)]
async fn each_operation_is_told_before_the_socket_closes(stage: Stage) {
    let app = stage.app().await;
    let open = async |person: &Actor| {
        let mut socket = person.socket().await;
        for id in ["a", "b"] {
            socket.subscribe(id, NOTICES, json!({})).await;
            socket.next(id).await;
        }
        socket
    };
    let grace = app.customer().await;
    let mut socket = open(&grace).await;
    app.revoke(grace.user).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let error = socket.message().await;
        assert_eq!(error["type"], "error", "{error}");
        assert_eq!(error["payload"][0]["extensions"]["code"], "UNAUTHENTICATED", "{error}");
        told.push(error["id"].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["a", "b"]);
    assert_eq!(socket.closed().await, (4403, "Signed out".to_owned()));
}

#[tokio::test]
async fn a_socket_without_a_sign_in_has_nothing_to_renew() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let grace = app.customer().await;
    let mut socket = Socket::open(&app.address, None).await;
    assert_eq!(renews(&mut socket, grace.token.as_deref().unwrap()).await["renewed"], false);
    let mut socket = Socket::connect(&app.address).await;
    socket.say(json!({ "type": "ping", "payload": { "authorization": "Bearer x" } })).await;
    assert_eq!(socket.closed().await.0, 4401);
}

#[test]
fn the_documentation_lists_every_close() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/TRANSPORTS.md")).unwrap();
    let row = Regex::new(r"(?m)^\| (\d{4}) \| ([^|]+) \|").unwrap();
    let listed: Vec<String> = row.captures_iter(&text).map(|row| format!("{} {}", &row[1], &row[2])).collect();
    let known: Vec<String> = Close::ALL.iter().map(|close| format!("{} {}", close.code(), close.reason())).collect();
    assert_eq!(listed, known);
}
