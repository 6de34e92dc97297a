//! Documents requested by hash: Apollo's automatic persisted queries, and the answers that caches may keep.
//! Not here: refusals of any document (`http`, `cost`).

use boxoffice::engine::document::{Documents, REMEMBERED, sha256};
use reqwest::RequestBuilder;
use reqwest::header::{CACHE_CONTROL, VARY};
use serde_json::{Value, json};

use super::http::{ask, fails, post, succeeds};
use crate::harness::events::Events;
use crate::harness::socket::Socket;
use crate::harness::{Stage, TestApp};

const HELLO: &str = "{ __typename }";

/// The extension that names a document by its hash.
fn by(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

fn get(app: &TestApp, parameters: &str) -> RequestBuilder {
    let encoded = parameters.replace(' ', "%20").replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    app.http.get(format!("http://{}/graphql?{encoded}", app.address))
}

#[tokio::test]
async fn a_document_that_came_with_its_hash_is_known_by_it() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let hash = sha256(HELLO);
    let by_hash = || post(&app, json!({ "extensions": by(&hash) }).to_string());
    fails(by_hash(), 200, "PERSISTED_QUERY_NOT_FOUND").await;
    let both = json!({ "query": HELLO, "extensions": by(&hash.to_uppercase()) });
    assert_eq!(succeeds(post(&app, both.to_string())).await["data"], json!({ "__typename": "Query" }));
    assert_eq!(succeeds(by_hash()).await["data"], json!({ "__typename": "Query" }));
    assert_eq!(
        succeeds(get(&app, &format!("extensions={}", by(&hash)))).await["data"],
        json!({ "__typename": "Query" })
    );
    // By id, as in the specification's draft on persisted documents.
    for id in [hash.clone(), format!("sha256:{hash}")] {
        assert_eq!(succeeds(get(&app, &format!("documentId={id}"))).await["data"], json!({ "__typename": "Query" }));
    }
    // Over every transport.
    let mut socket = Socket::open(&app.address, None).await;
    socket.say(json!({ "type": "subscribe", "id": "x", "payload": { "extensions": by(&hash) } })).await;
    assert_eq!(socket.next("x").await, json!({ "__typename": "Query" }));
    let url = format!("http://{}/graphql/stream?documentId={hash}", app.address);
    let mut events = Events::open(app.http.get(url).header("accept", "text/event-stream"), "text/event-stream").await;
    assert_eq!(events.next().await.1, json!({ "__typename": "Query" }));
}

#[tokio::test]
async fn a_hash_must_be_that_of_the_document() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for body in [
        json!({ "query": HELLO, "extensions": by(&sha256("{ viewer { id } }")) }),
        json!({ "query": HELLO, "extensions": by("x") }),
        json!({ "query": HELLO, "documentId": sha256(HELLO) }),
        json!({ "documentId": sha256(HELLO), "extensions": by(&sha256(HELLO)) }),
        json!({ "documentId": 1 }),
        json!({ "extensions": { "persistedQuery": { "version": 2, "sha256Hash": sha256(HELLO) } } }),
        json!({ "extensions": { "persistedQuery": { "sha256Hash": sha256(HELLO) } } }),
        json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": 1 } } }),
        json!({ "query": HELLO, "extensions": { "persistedQuery": true } }),
    ] {
        fails(post(&app, body.to_string()), 400, "BAD_USER_INPUT").await;
    }
    fails(get(&app, &format!("extensions={}", by(&sha256(HELLO)))), 200, "PERSISTED_QUERY_NOT_FOUND").await;
}

#[tokio::test]
async fn nothing_is_remembered_that_is_refused() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let long = format!("{HELLO} # {}", "x".repeat(17_000));
    let deep = "{ a ".repeat(40) + &"}".repeat(40);
    for (document, code) in [(&*long, "TOO_COSTLY"), (&deep, "TOO_COSTLY"), ("{", "GRAPHQL_PARSE_FAILED")] {
        let hash = sha256(document);
        fails(post(&app, json!({ "query": document, "extensions": by(&hash) }).to_string()), 200, code).await;
        fails(post(&app, json!({ "extensions": by(&hash) }).to_string()), 200, "PERSISTED_QUERY_NOT_FOUND").await;
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let documents = Documents::default();
    for n in 0..3_000 {
        let text = format!("{HELLO} # {n} {}", "x".repeat(16_000));
        documents.remember(sha256(&text), &text);
    }
    let bytes = documents.remembered();
    assert!((REMEMBERED / 2..=REMEMBERED).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn mutations_by_hash_are_none_for_get() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let document =
        "mutation { signIn(input: {email: \"a@example.org\", password: \"wrong\"}) { userErrors { code } } }";
    let hash = sha256(document);
    succeeds(post(&app, json!({ "query": document, "extensions": by(&hash) }).to_string())).await;
    fails(get(&app, &format!("extensions={}", by(&hash))), 405, "BAD_USER_INPUT").await;
    let foreign = get(&app, &format!("extensions={}", by(&sha256(HELLO)))).header("sec-fetch-site", "cross-site");
    fails(foreign, 403, "FORBIDDEN").await;
}

#[tokio::test]
async fn only_the_programme_read_by_strangers_may_be_kept() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.budget = Some(Default::default())).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    organizer.event(3).await;
    let catalog = "{ events(first: 5) { nodes { title availability { available } } } }";
    let caching = async |request: RequestBuilder| {
        let response = request.send().await.unwrap();
        let header = |name| response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        (header(CACHE_CONTROL), header(VARY).contains("accept, authorization"), response.text().await.unwrap())
    };
    let (control, varies, body) = caching(get(&app, &format!("query={catalog}"))).await;
    assert_eq!((&*control, varies), ("public, max-age=1", true));
    assert!(body.contains("Rust Nation") && !body.contains("extensions"), "who asked is nobody's business: {body}");
    let hash = sha256(catalog);
    succeeds(post(&app, json!({ "query": catalog, "extensions": by(&hash) }).to_string())).await;
    assert_eq!(caching(get(&app, &format!("documentId={hash}"))).await.0, "public, max-age=1");
    let token = customer.token.clone().unwrap();
    for request in [
        ask(&app, catalog),
        get(&app, &format!("query={catalog}")).bearer_auth(token),
        get(&app, "query={ viewer { id } }"),
        get(&app, "query={ events(first: 1) { totalCount } viewer { id } }"),
        get(&app, "query={ ...F } fragment F on Query { viewer { id } }"),
        get(&app, "query={ __schema { queryType { name } } }"),
        get(&app, "query={ events(first: 1) { nodes { bookings(first: 1) { totalCount } } } }"),
        get(&app, "query={ nothing }"),
    ] {
        assert_eq!(caching(request).await.0, "no-store");
    }
}
