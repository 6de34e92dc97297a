//! GraphQL over HTTP, asked by a plain client: status, headers and error objects of everything a client can do wrong.
//! Not here: the specification's own audits, which run in Node (`tests/clients`).

use std::time::Duration;

use reqwest::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Stage, TestApp};

const RICH: &str = "application/graphql-response+json";
const HELLO: &str = "{ viewer { id } }";

async fn server() -> (Stage, TestApp) {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    (stage, app)
}

fn post(app: &TestApp, body: impl Into<reqwest::Body>) -> RequestBuilder {
    app.http.post(format!("http://{}/graphql", app.address)).header(CONTENT_TYPE, "application/json").body(body)
}

fn ask(app: &TestApp, query: &str) -> RequestBuilder {
    post(app, json!({ "query": query }).to_string())
}

/// Checks an answer that is one request error, and returns its message.
async fn fails(request: RequestBuilder, status: u16, code: &str) -> String {
    let response = request.send().await.unwrap();
    let got = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert_eq!(got, status, "{body}");
    assert!(body.get("data").is_none(), "a request error has no data: {body}");
    assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    let message = body["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[tokio::test]
async fn the_media_type_is_negotiated() {
    let (_stage, app) = server().await;
    let json_type = "application/json";
    for (accept, expected) in [
        ("*/*", json_type),
        ("application/json", json_type),
        (RICH, RICH),
        ("application/graphql-response+json, application/json;q=0.9", RICH),
        ("application/graphql-response+json;q=0.5, application/json;q=0.9", json_type),
        ("*/*, application/json;q=0", RICH),
        ("APPLICATION/JSON; charset=utf-8; Q=0.3", json_type),
        ("text/html", ""),
        ("*/*;q=0", ""),
        (",;/,=", ""),
    ] {
        let request = ask(&app, HELLO).header(ACCEPT, accept);
        if expected.is_empty() {
            fails(request, 406, "BAD_USER_INPUT").await;
            continue;
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], format!("{expected}; charset=utf-8"), "{accept}");
    }
}

#[tokio::test]
async fn only_one_json_request_in_utf_8_is_taken() {
    let (_stage, app) = server().await;
    let url = format!("http://{}/graphql", app.address);
    let body = json!({ "query": HELLO }).to_string();
    for content_type in
        ["application/json; charset=latin1", "text/plain", "multipart/form-data; boundary=x", "application/graphql"]
    {
        fails(app.http.post(&url).header(CONTENT_TYPE, content_type).body(body.clone()), 415, "BAD_USER_INPUT").await;
    }
    fails(app.http.post(&url).body(body.clone()), 415, "BAD_USER_INPUT").await;
    for body in [
        "",
        "{",
        "nonsense",
        "null",
        "1",
        "[]",
        r#"[{"query":"{ viewer { id } }"}]"#,
        "{}",
        r#"{"query":null}"#,
        r#"{"query":1}"#,
        r#"{"query":"{ viewer { id } }","variables":[]}"#,
        r#"{"query":"{ viewer { id } }","operationName":1}"#,
        r#"{"query":"{ viewer { id } }","extensions":[]}"#,
    ] {
        for accept in ["application/json", RICH] {
            fails(post(&app, body).header(ACCEPT, accept), 400, "BAD_USER_INPUT").await;
        }
    }
    fails(post(&app, "[".repeat(100_000)), 400, "BAD_USER_INPUT").await;
    fails(post(&app, &b"{\"query\":\"{ viewer { id } } # \xff\"}"[..]), 400, "BAD_USER_INPUT").await;
    let hash = r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}"#;
    fails(post(&app, hash), 200, "PERSISTED_QUERY_NOT_FOUND").await;
}

#[tokio::test]
async fn a_document_that_is_not_executed_says_why() {
    let (_stage, app) = server().await;
    let bomb = "{ ...F0 } ".to_owned()
        + &(0..30).map(|i| format!("fragment F{i} on Query {{ ...F{0} ...F{0} }} ", i + 1)).collect::<String>()
        + "fragment F30 on Query { viewer { id } }";
    let aliases = (0..40).map(|n| format!("a{n}: viewer {{ id }} ")).collect::<String>();
    let aliases = format!("{{ {aliases} }}");
    let long = format!("{HELLO} # {}", "x".repeat(17_000));
    let pages = "{ events(first: 100) { nodes { bookings(first: 100) { nodes { items { quantity } } } } } }";
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer }", "GRAPHQL_VALIDATION_FAILED"),
        ("query Q($n: Int!) { events(first: $n) { totalCount } }", "BAD_USER_INPUT"),
        ("query A { viewer { id } } query B { viewer { id } }", "BAD_USER_INPUT"),
        ("{ viewer { ...A } } fragment A on User { ...A }", "GRAPHQL_VALIDATION_FAILED"),
        (&bomb, "TOO_COSTLY"),
        (&aliases, "TOO_COSTLY"),
        (&long, "TOO_COSTLY"),
        (pages, "TOO_COSTLY"),
    ] {
        fails(ask(&app, query).header(ACCEPT, RICH), 400, code).await;
        fails(ask(&app, query).header(ACCEPT, "application/json"), 200, code).await;
    }
    for depth in [100, 8_000] {
        for (before, open, middle, close, after) in [
            ("", "{a", "", "}", ""),
            ("", "{...{a", "", "}}", ""),
            ("{ event(id: ", "[", "", "]", ") { id } }"),
            ("query Q($a: ", "[", "Int", "]", ") { a }"),
        ] {
            let query = format!("{before}{}{middle}{}{after}", open.repeat(depth), close.repeat(depth));
            fails(ask(&app, &query).header(ACCEPT, RICH), 400, "TOO_COSTLY").await;
        }
    }
    let secret = format!("{{ viewer(secret: \"{}\" }} }} }}", "hunter2".repeat(500));
    let message = fails(ask(&app, &secret).header(ACCEPT, RICH), 400, "GRAPHQL_PARSE_FAILED").await;
    assert!(message.len() < 300 && !message.contains("hunter2"), "one line that echoes nothing: {message}");
    // The page everybody loads, and the standard introspection, are inside the limits.
    let page = "{ events(first: 20) { nodes { id slug title venue startsAt price { amount currency } availability { available } } pageInfo { endCursor } } }";
    assert_eq!(ask(&app, page).header(ACCEPT, RICH).send().await.unwrap().status(), 200);
    let introspection = include_str!("data/introspection.graphql");
    let answer: Value = ask(&app, introspection).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["__schema"]["queryType"]["name"], "Query", "{answer}");
}

#[tokio::test]
async fn large_and_slow_bodies_are_refused_readably() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.body.within = Duration::from_millis(300)).await;
    let large = json!({ "query": HELLO, "variables": { "x": "x".repeat(8 << 20) } }).to_string();
    fails(post(&app, large), 413, "TOO_COSTLY").await;
    let just = json!({ "query": HELLO, "variables": { "x": "x".repeat(255 << 10) } }).to_string();
    assert_eq!(post(&app, just).send().await.unwrap().status(), 200);
    for (head, expected) in [
        ("content-length: 99999999999\r\n\r\n{", "413"),
        ("content-length: 100\r\n\r\n{\"query\"", "408"),
        ("transfer-encoding: chunked\r\n\r\n1\r\n{\r\n", "408"),
    ] {
        let mut raw = tokio::net::TcpStream::connect(&app.address).await.unwrap();
        let head = format!("POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}");
        raw.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = raw.read_to_string(&mut answer).await; // the end may be a reset
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
    }
}

#[tokio::test]
async fn get_is_for_queries() {
    let (_stage, app) = server().await;
    let url = format!("http://{}/graphql", app.address);
    let get = |query: &str| app.http.get(format!("{url}?query={}", query.replace(' ', "%20")));
    let mutation = "mutation{cancelEvent(input:{eventId:\"x\"}){userErrors{code}}}";
    assert_eq!(get(mutation).send().await.unwrap().headers()[ALLOW], "POST");
    fails(get(mutation), 405, "BAD_USER_INPUT").await;
    let message = fails(get("subscription{noticeReceived{cursor}}"), 400, "BAD_USER_INPUT").await;
    assert!(message.contains("/graphql/ws"), "{message}");
    fails(get("{viewer{id}}&variables=[]"), 400, "BAD_USER_INPUT").await;
    assert_eq!(get("{viewer{id}}&variables=").send().await.unwrap().status(), 200);
    assert_eq!(app.http.put(&url).send().await.unwrap().status(), 405);
    let foreign = get("{viewer{id}}").header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.unwrap().status(), 403, "a page of another site cannot ask by GET");
    let get = async |path: &str| {
        let response = Client::new().get(format!("http://{}{path}", app.address)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(get("/readyz").await.0, 200);
    assert!(get("/nothing").await.1.contains("NOT_FOUND"));
    app.sql("ALTER TABLE stream_head RENAME TO gone", []).await;
    let (status, body) = get("/readyz").await;
    assert!(status == 503 && body.contains("the database does not answer"), "{status} {body}");
}

#[tokio::test]
async fn a_broken_token_is_told_so() {
    let (_stage, app) = server().await;
    for value in ["Bearer nobody", "Bearer", "Bearer ", "Basic YTpi", "alice", ""] {
        let request = || ask(&app, HELLO).header(AUTHORIZATION, value);
        fails(request(), 401, "UNAUTHENTICATED").await;
        let response = request().send().await.unwrap();
        assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
    }
    // A guard's refusal is an error of its field.
    let response =
        ask(&app, "{ viewer { id } myBookings(first: 1) { totalCount } }").header(ACCEPT, RICH).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["data"], json!({ "viewer": null, "myBookings": null }));
    assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_fails_inside_is_masked_and_ten_errors_are_listed() {
    let (_stage, app) = server().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    for _ in 0..12 {
        organizer.event(1).await;
    }
    let body =
        customer.ask("{ events(first: 20) { nodes { bookings(first: 1) { totalCount } } } }", json!({})).await.body;
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(10), "{body}");
    assert_eq!(body["errors"][9]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(body["data"]["events"]["nodes"].as_array().map(Vec::len), Some(12), "what did not fail is there");
    app.sql("ALTER TABLE event RENAME TO somewhere_secret", []).await;
    let response = ask(&app, "{ viewer { id } events(first: 1) { totalCount } }").send().await.unwrap();
    assert_eq!(response.status(), 200, "one field failed, the other did not");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["data"], json!({ "viewer": null, "events": null }));
    let error = &body["errors"][0];
    assert_eq!((&error["extensions"]["code"], &error["path"]), (&json!("INTERNAL"), &json!(["events"])));
    assert!(error["extensions"]["requestId"].is_string());
    for secret in ["somewhere_secret", "no such table", "SELECT", "sqlite"] {
        assert!(!body.to_string().contains(secret), "{body}");
    }
}

scene! {
    /// A client that goes away ends the waiting, never the write.
    async fn a_mutation_outlives_its_client(stage: Stage) {
        let app = stage.app().await;
        let (organizer, customer) = (app.organizer().await, app.customer().await);
        let event = organizer.event(5).await;
        let lock = app.hold_stock(&event).await;
        let asked = tokio::spawn({
            let (customer, event) = (customer.clone(), event.clone());
            async move { customer.book(&event, 2, "ALL_OR_NOTHING", Some("gone")).await }
        });
        let tally = app.app.services.desk.tally();
        app.eventually("the order is in", || async { tally.handed_in.load(std::sync::atomic::Ordering::Relaxed) == 1 }).await;
        asked.abort();
        assert!(asked.await.is_err());
        lock.release().await;
        app.eventually("the booking exists", || async { app.sold(&event).await == 2 }).await;
        // Asked again by its key, it is answered with that booking.
        let again = customer.book(&event, 2, "ALL_OR_NOTHING", Some("gone")).await.ok();
        assert_eq!(again.int("createBooking.booked"), 2);
        assert_eq!(app.sold(&event).await, 2);
    }
}
