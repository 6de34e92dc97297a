//! Harmless quirks of clients are accepted with their evident meaning: an empty header, a byte order mark, escapes.
//! Not here: refusals (`http`, `inputs`).

use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::http::{ask, fails, post, succeeds};
use crate::harness::Stage;
use crate::harness::socket::Socket;

#[tokio::test]
async fn an_empty_authorization_is_none_and_a_broken_one_an_error() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let get = || app.http.get(format!("http://{}/graphql?query={{__typename}}", app.address));
    for empty in ["", "  "] {
        for request in [ask(&app, "{ viewer { id } }"), get()] {
            let answer = succeeds(request.header(AUTHORIZATION, empty)).await;
            assert_eq!(answer.get("errors"), None, "{answer}");
        }
        let mut socket = Socket::connect(&app.address).await;
        socket.init(json!({ "Authorization": empty })).await;
        let mut socket = Socket::connect(&app.address).await;
        socket.init(json!({ "token": empty })).await;
        let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("authorization", empty)];
        let mut socket = Socket::connect_with(&app.address, &headers).await.unwrap();
        socket.init(Value::Null).await;
        // A token in the payload counts if the header of the upgrade is empty.
        let mut socket = Socket::connect_with(&app.address, &headers).await.unwrap();
        socket.say(json!({ "type": "connection_init", "payload": { "Authorization": "Bearer nobody" } })).await;
        assert_eq!(socket.closed().await.0, 4403);
    }
    for broken in ["Bearer", "Bearer null", "Bearer undefined", "null", "Basic x"] {
        fails(ask(&app, "{ __typename }").header(AUTHORIZATION, broken), 401, "UNAUTHENTICATED").await;
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_json_is_skipped() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let body = json!({ "query": "{ __typename }" });
    succeeds(post(&app, format!("\u{feff}{body}"))).await;
    let url = format!("http://{}/graphql?query={{__typename}}&variables=%EF%BB%BF{{}}", app.address);
    succeeds(app.http.get(url)).await;
    let mut socket = Socket::open(&app.address, None).await;
    socket.say_text(&format!("\u{feff}{}", json!({ "type": "subscribe", "id": "1", "payload": body }))).await;
    assert_eq!(socket.next("1").await["__typename"], "Query");
    fails(post(&app, format!("\u{feff}\u{feff}{body}")), 400, "BAD_USER_INPUT").await;
}

/// JSON writes characters beyond the first 65,536 as two halves, and clients that write documents by hand do the same.
#[tokio::test]
async fn every_escape_of_a_character_is_read() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let title = |text: &str| format!("{{ events(first: 1, filter: {{ text: \"{text}\" }}) {{ totalCount }} }}");
    for text in
        [r"\uD83C\uDFB7", r"\ud83c\udfb7", r"\u{1F3B7}", r"\u{41}\u0041", r"\u{22}\u{5C}\u{a}", r"x\n\uD83C\uDFB7\\u"]
    {
        let answer = succeeds(ask(&app, &title(text))).await;
        assert!(answer.get("errors").is_none(), "{text}: {answer}");
    }
    // The escape means the character itself.
    let organizer = app.organizer().await;
    let event = organizer.draft(1).await;
    for escaped in [r"\uD83C\uDFB7 Jazz", r"\u{1F3B7} Jazz", "🎷 Jazz"] {
        let update = format!(
            "mutation {{ updateEvent(input: {{ eventId: \"{event}\", title: \"{escaped}\" }}) {{ event {{ title }} }} }}"
        );
        let answer = organizer.ask(&update, json!({})).await.ok();
        assert_eq!(answer.text("updateEvent.event.title"), "🎷 Jazz");
    }
    for (broken, named) in [
        (r"\uD83C", r"\uD83C"),
        (r"\uDFB7\uD83C", r"\uDFB7"),
        (r"\u{110000}", r"\u{110000}"),
        (r"\u{D83C}", r"\u{D83C}"),
    ] {
        let message = fails(ask(&app, &title(broken)), 200, "GRAPHQL_PARSE_FAILED").await;
        assert!(message.contains(named), "{broken}: {message}");
    }
    // Not in block strings and comments, where it is no escape.
    succeeds(ask(&app, "# \\uD83C\n{ events(first: 1, filter: { text: \"\"\"\\uD83C\"\"\" }) { totalCount } }")).await;
}
