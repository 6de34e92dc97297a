//! Trusted documents: a folder of them restricts every transport, and an invalid list is refused.
//! Not here: documents known by their hash without a list (`document`).

use std::path::Path;

use boxoffice::engine::cost::Limits;
use boxoffice::engine::document::{sha256, trusted};
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::http::{PLAIN, RICH, ask, fails, post, succeeds};
use crate::harness::binary::Place;
use crate::harness::events::{Events, stream};
use crate::harness::socket::Socket;
use crate::harness::{Stage, TestApp};

const HELLO: &str = "{ __typename }";
const PROGRAMME: &str = "query Catalog($first: Int!) { events(first: $first) { totalCount } }";
const LIVE: &str = "subscription Live($id: ID!) { availabilityChanged(eventId: $id) { revision } }";

/// Returns a folder with a file, Apollo's manifest and a map.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("hello.graphql", &format!("{HELLO}\n"));
    write("README.md", "not a document");
    let operations = json!([{ "id": "catalog-1", "name": "Catalog", "type": "query", "body": PROGRAMME }]);
    let manifest = json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": operations });
    write("persisted-query-manifest.json", &manifest.to_string());
    write("documents.json", &json!({ "live-1": LIVE }).to_string());
    folder
}

async fn strict() -> (Stage, tempfile::TempDir, TestApp) {
    let (stage, folder) = (Stage::sqlite(), folder());
    let app = stage.app_with(|options| options.trusted_documents = Some(folder.path().to_owned())).await;
    (stage, folder, app)
}

fn hash(text: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": sha256(text) } })
}

#[tokio::test]
async fn a_listed_document_runs_by_id_hash_or_text() {
    let (_stage, _folder, app) = strict().await;
    for body in [
        json!({ "query": HELLO }),
        json!({ "query": format!("{HELLO}\n") }),
        json!({ "documentId": sha256(HELLO) }),
        json!({ "documentId": format!("sha256:{}", sha256(HELLO)) }),
        json!({ "extensions": hash(HELLO) }),
        json!({ "query": HELLO, "extensions": hash(HELLO) }),
    ] {
        assert_eq!(succeeds(post(&app, body.to_string())).await["data"], json!({ "__typename": "Query" }), "{body}");
    }
    for body in [
        json!({ "documentId": "catalog-1", "variables": { "first": 1 } }),
        json!({ "query": PROGRAMME, "variables": { "first": 1 } }),
        json!({ "extensions": hash(PROGRAMME), "variables": { "first": 1 } }),
    ] {
        assert_eq!(succeeds(post(&app, body.to_string())).await["data"], json!({ "events": { "totalCount": 0 } }));
    }
}

#[tokio::test]
async fn nothing_else_runs_on_any_transport() {
    let (_stage, _folder, app) = strict().await;
    let stranger = "{ viewer { id } }";
    for query in [
        stranger,
        "{ __schema { queryType { name } } }",
        "{ __typename } ",
        "{",
        include_str!("data/introspection.graphql"),
    ] {
        for accept in [RICH, PLAIN] {
            let message = fails(ask(&app, query).header(ACCEPT, accept), 403, "FORBIDDEN").await;
            assert!(message.contains("trusted list"), "people read this in GraphiQL: {message}");
        }
    }
    // Sending an untrusted document with its hash does not register it.
    let both = json!({ "query": stranger, "extensions": hash(stranger) }).to_string();
    fails(post(&app, both), 403, "FORBIDDEN").await;
    fails(post(&app, json!({ "extensions": hash(stranger) }).to_string()), 200, "PERSISTED_QUERY_NOT_FOUND").await;
    fails(post(&app, json!({ "documentId": "nothing" }).to_string()), 200, "PERSISTED_QUERY_NOT_FOUND").await;
    let url = format!("http://{}/graphql?query=%7Bviewer%7Bid%7D%7D", app.address);
    fails(app.http.get(url), 403, "FORBIDDEN").await;
    let mut events = Events::open(stream(&app, stranger, json!({})), "text/event-stream").await;
    assert_eq!(events.event().await.unwrap().data["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let mut socket = Socket::open(&app.address, None).await;
    socket.subscribe("x", stranger, json!({})).await;
    assert_eq!(socket.message().await["payload"][0]["extensions"]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn streams_run_by_id_too() {
    let (_stage, _folder, app) = strict().await;
    let payload = json!({ "documentId": "live-1", "variables": { "id": "bm9uc2Vuc2U" } });
    let mut socket = Socket::open(&app.address, None).await;
    socket.say(json!({ "type": "subscribe", "id": "x", "payload": payload })).await;
    let message = socket.message().await;
    assert_eq!(message["payload"][0]["path"], json!(["availabilityChanged"]), "the field was asked: {message}");
    let request = app.http.post(format!("http://{}/graphql/stream", app.address)).json(&payload);
    let mut events = Events::open(request.header(ACCEPT, "text/event-stream"), "text/event-stream").await;
    assert_eq!(events.event().await.unwrap().data["errors"][0]["path"], json!(["availabilityChanged"]));
}

async fn refusal(folder: &Path) -> String {
    trusted::read(folder, &Limits::default(), &boxoffice::graphql::validator()).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_list_that_does_not_fit_is_refused_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(refusal(&path("nowhere")).await.starts_with("cannot read "));
    assert!(refusal(folder.path()).await.starts_with("there are no documents in "));
    for (name, text, line, message) in [
        ("a.graphql", "query A {\n  events(first: 1) { totalCount }\n  nothing\n}", 3, "nothing"),
        ("b.graphql", "{\n  events(first: 1) {\n", 3, "Syntax error"),
        ("c.graphql", "query A { __typename }\nquery B { viewer { nothing } }", 2, "nothing"),
        ("d.graphql", "query($n: Nothing) {\n __typename }", 1, "Nothing"),
        ("e.graphql", "subscription { nothing }", 1, "nothing"),
        ("f.graphql", &"{ a ".repeat(100), 1, "brackets"),
        ("g.json", "{\n\n", 3, "not JSON"),
        ("h.json", "[]", 1, "neither"),
        ("i.json", "{ \"operations\": [{ \"id\": \"x\" }] }", 1, "neither"),
        ("j.json", "{ \"x\": 1 }", 1, "neither"),
    ] {
        std::fs::write(path(name), text).unwrap();
        let told = refusal(folder.path()).await;
        assert!(told.contains(&format!("{name}, line {line}: ")) && told.contains(message), "{told}");
        assert!(!told.contains('\n'), "{told}");
        std::fs::remove_file(path(name)).unwrap();
    }
    std::fs::write(path("k.json"), json!({ "bad-1": "{\n nothing }" }).to_string()).unwrap();
    assert!(refusal(folder.path()).await.contains("k.json, document bad-1, line 2: "));
}

#[tokio::test]
async fn the_program_does_not_start_over_a_wrong_list() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = Place::of(&boxoffice::db::Target::Sqlite(data.path().join("boxoffice.db")), data.path());
    std::fs::write(folder.path().join("wrong.graphql"), "{\n nothing }").unwrap();
    let serve = || place.serve().env("BOXOFFICE_TRUSTED_DOCUMENTS", folder.path());
    let ended = serve().end().await;
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("wrong.graphql, line 2: ") && ended.stderr.contains("fix: "), "{}", ended.stderr);
    std::fs::write(folder.path().join("wrong.graphql"), HELLO).unwrap();
    let served = serve().begin().ready().await;
    let guest = crate::harness::binary::Guest::with(None);
    guest.ask(&served.address, HELLO, json!({})).await.ok();
    assert_eq!(guest.ask(&served.address, "{ viewer { id } }", json!({})).await.fault(), "FORBIDDEN");
}
