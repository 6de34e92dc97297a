//! The closed list of faults: one test per code that a client can cause, with its status in both media types and on the
//! socket, and a convention for those that nothing raises yet.
//! Not here: all the ways to cause one (`http`, `socket`), and refusals, which are data.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use boxoffice::engine::fault::Fault;
use boxoffice::id::{EventId, NodeId};
use reqwest::header::{ACCEPT, RETRY_AFTER};
use serde_json::{Value, json};

use super::http::{PLAIN, RICH, ask, fails, json, post, succeeds};
use super::stand::Stand;
use crate::harness::socket::Socket;
use crate::harness::{Actor, Stage, TestApp};

/// Checks a document that is not executed: 400, but 200 for clients that accept only `application/json`; an `error` on
/// the socket. Returns its message.
pub(super) async fn refused(app: &TestApp, query: &str, variables: Value, code: &str) -> String {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let message = fails(post(app, body.clone()).header(ACCEPT, RICH), 400, code).await;
    fails(post(app, body).header(ACCEPT, PLAIN), 200, code).await;
    refused_on_socket(app, query, variables, code).await;
    message
}

async fn refused_on_socket(app: &TestApp, query: &str, variables: Value, code: &str) {
    let mut socket = Socket::open(&app.address, None).await;
    socket.subscribe("x", query, variables).await;
    let message = socket.message().await;
    assert_eq!(
        (&message["type"], &message["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!(code)),
        "{message}"
    );
}

/// Checks a field that failed: its error beside the data, 200 in both media types, a `next` on the socket.
async fn failed(actor: &Actor, query: &str, code: &str) {
    for accept in [RICH, PLAIN] {
        let request = ask(&actor.app, query).header(ACCEPT, accept);
        let request = actor.token.iter().fold(request, |request, token| request.bearer_auth(token));
        let body = succeeds(request).await;
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    }
    let mut socket = actor.socket().await;
    socket.subscribe("x", query, json!({})).await;
    let message = socket.message().await;
    assert_eq!(
        (&message["type"], &message["payload"]["errors"][0]["extensions"]["code"]),
        (&json!("next"), &json!(code)),
        "{message}"
    );
}

#[tokio::test]
async fn graphql_parse_failed() {
    let stage = Stage::sqlite();
    refused(&stage.app().await, "{ viewer { id }", json!({}), "GRAPHQL_PARSE_FAILED").await;
}

#[tokio::test]
async fn graphql_validation_failed() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for query in [
        "{ nothing }",
        "{ viewer { id @nothing } }",
        "{ events(first: \"ten\") { nodes { id } } }",
        "query($n: Int) { viewer { id } }",
        "query($n: Int = \"ten\") { events(first: $n) { nodes { id } } }",
        "{ __typename @nothing }",
        "{ ...f } fragment f on Query { viewer { __typename @nothing } }",
        "query a { viewer { ... { __typename @include(if: $n) } } }",
        "{ __typename @include }",
        "{ __typename(of: 1) }",
        "{ viewer { __typename { id } } }",
    ] {
        refused(&app, query, json!({}), "GRAPHQL_VALIDATION_FAILED").await;
    }
    // An error in the document stays an error of the document beside variables.
    let query = "query($n: Int) { events(first: $n, sort: UP) { nodes { id } } }";
    refused(&app, query, json!({ "n": 1 }), "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn bad_user_input() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for (query, variables) in [
        ("query($id: ID!) { event(id: $id) { id } }", json!({})),
        ("query($id: ID!) { event(id: $id) { id } }", json!({ "id": null })),
        ("query A { __typename } query B { __typename }", json!({})),
        ("query($n: Int) { events(first: $n) { nodes { id } } }", json!({ "n": "ten" })),
        ("query($n: Int) { ...A } fragment A on Query { events(first: $n) { nodes { id } } }", json!({ "n": [1, 2] })),
        ("query($s: EventSort!) { events(first: 1, sort: $s) { nodes { id } } }", json!({ "s": "UP" })),
        ("query($f: EventFilter) { events(first: 1, filter: $f) { nodes { id } } }", json!({ "f": { "nothing": 1 } })),
        ("query($id: ID!) { nodes(ids: [$id]) { id } }", json!({ "id": {} })),
        ("query($if: Boolean!) { viewer @skip(if: $if) { id } }", json!({ "if": "yes" })),
    ] {
        refused(&app, query, variables, "BAD_USER_INPUT").await;
    }
    let stream = "subscription($id: ID!) { availabilityChanged(eventId: $id) { sold } }";
    refused_on_socket(&app, stream, json!({ "id": {} }), "BAD_USER_INPUT").await;
    let anonymous = app.anonymous();
    for query in ["{ events(first: 0) { nodes { id } } }", "{ event(id: \"nonsense\") { id } }"] {
        failed(&anonymous, query, "BAD_USER_INPUT").await;
    }
}

#[tokio::test]
async fn unauthenticated() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    failed(&app.anonymous(), "{ notices(first: 1) { nodes { id } } }", "UNAUTHENTICATED").await;
    fails(ask(&app, "{ __typename }").bearer_auth("nonsense"), 401, "UNAUTHENTICATED").await;
}

#[tokio::test]
async fn forbidden() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    failed(&app.organizer().await, "{ myBookings(first: 1) { nodes { id } } }", "FORBIDDEN").await;
    let url = format!("http://{}/graphql?query={{__typename}}", app.address);
    fails(app.http.get(url).header("sec-fetch-site", "cross-site"), 403, "FORBIDDEN").await;
}

#[tokio::test]
async fn not_found() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    fails(app.http.get(format!("http://{}/nothing", app.address)), 404, "NOT_FOUND").await;
    let query = "subscription($id: ID!) { availabilityChanged(eventId: $id) { sold } }";
    let unknown = json!({ "id": EventId(uuid::Uuid::from_u128(7)).to_global_id() });
    refused_on_socket(&app, query, unknown, "NOT_FOUND").await;
}

#[tokio::test]
async fn overloaded() {
    let stand = Stand::open(|plan| plan.patience = Duration::from_millis(50)).await;
    for accept in [RICH, PLAIN] {
        let response = ask(&stand.app, "{ waits: viewer { id } }").header(ACCEPT, accept).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()[RETRY_AFTER]), (503, &"1".parse().unwrap()));
        assert_eq!(json(response).await["errors"][0]["extensions"]["code"], "OVERLOADED");
    }
    refused_on_socket(&stand.app, "{ waits: viewer { id } }", json!({}), "OVERLOADED").await;
}

#[tokio::test]
async fn too_costly() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let deep = format!("{}id{}", "{ viewer ".repeat(12), "}".repeat(12)).replacen("id", "{ id }", 1);
    let query = "{ events(first: 100) { nodes { bookings(first: 100) { nodes { id } } } } }";
    let paged = "query($n: Int) { events(first: $n) { nodes { bookings(first: $n) { nodes { id } } } } }";
    for (query, variables) in [(deep.as_str(), json!({})), (query, json!({})), (paged, json!({ "n": 100 }))] {
        refused(&app, query, variables, "TOO_COSTLY").await;
    }
    let large = json!({ "query": "{ __typename }", "variables": { "x": "x".repeat(256 << 10) } }).to_string();
    fails(post(&app, large), 413, "TOO_COSTLY").await;
}

#[tokio::test]
async fn persisted_query_not_found() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": "x" } });
    for (accept, status) in [(RICH, 400), (PLAIN, 200)] {
        for body in [json!({ "extensions": extensions }), json!({ "query": null, "extensions": extensions })] {
            let request = post(&app, body.to_string()).header(ACCEPT, accept);
            assert_eq!(fails(request, status, "PERSISTED_QUERY_NOT_FOUND").await, "PersistedQueryNotFound");
        }
    }
    let url = format!("http://{}/graphql?documentId=nothing", app.address);
    fails(app.http.get(url), 200, "PERSISTED_QUERY_NOT_FOUND").await;
    let mut socket = Socket::open(&app.address, None).await;
    socket.say(json!({ "type": "subscribe", "id": "x", "payload": { "extensions": extensions } })).await;
    assert_eq!(socket.message().await["payload"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn rate_limited() {
    let stage = Stage::sqlite();
    let one = std::num::NonZeroU32::MIN;
    let bucket = boxoffice::engine::budget::Settings { points: one, per_second: one, address_factor: one };
    let app = stage.app_with(|options| options.budget = Some(bucket)).await;
    succeeds(post(&app, json!({ "query": "{ __typename }" }).to_string())).await;
    for accept in [RICH, PLAIN] {
        let request = post(&app, json!({ "query": "{ __typename }" }).to_string()).header(ACCEPT, accept);
        fails(request, 429, "RATE_LIMITED").await;
    }
}

#[tokio::test]
async fn internal() {
    let stand = Stand::open(|_| ()).await;
    failed(&stand.app.anonymous(), "{ __typename fails: viewer { id } }", "INTERNAL").await;
    for accept in [RICH, PLAIN] {
        fails(ask(&stand.app, "{ panics: viewer { id } }").header(ACCEPT, accept), 500, "INTERNAL").await;
    }
}

#[test]
fn conflict_is_raised_nowhere_yet() {
    fn scan(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                scan(&entry, found);
            } else if !entry.ends_with("graphql/fault.rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let raised = ["Fault::Conflict"].into_iter().filter(|fault| text.contains(fault));
                found.extend(raised.map(|fault| format!("{fault} in {}", entry.display())));
            }
        }
    }
    let mut found = Vec::new();
    scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "now that it can be caused it needs a test of its own here: {found:?}");
}

#[test]
fn the_list_is_closed_and_the_readme_knows_it() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let codes: HashSet<&str> = Fault::ALL.iter().map(|fault| fault.code()).collect();
    assert_eq!(codes.len(), Fault::ALL.len());
    for fault in Fault::ALL {
        assert_eq!(Fault::from_code(fault.code()), Some(fault));
        assert!(readme.contains(&format!("`{}`", fault.code())), "{}", fault.code());
        assert_eq!(Fault::of(&fault.server_error("")), Some(fault));
    }
    assert_eq!(Fault::from_code("SOMETHING_ELSE"), None);
}
