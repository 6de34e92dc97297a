//! GraphQL over HTTP with a plain client: status, headers and error objects of every error that a client can make.
//! Not here: the specification's own audits, which run in Node (`tests/clients`), and the faults one by one (`faults`).

use std::time::Duration;

use boxoffice::account::token::Keys;
use reqwest::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stand::Stand;
use crate::harness::{Stage, TestApp};

pub const RICH: &str = "application/graphql-response+json";
pub const PLAIN: &str = "application/json";

/// Returns a POST of this body.
pub fn post(app: &TestApp, body: impl Into<reqwest::Body>) -> RequestBuilder {
    app.http.post(format!("http://{}/graphql", app.address)).header(CONTENT_TYPE, "application/json").body(body)
}

/// Returns a POST of this document.
pub fn ask(app: &TestApp, query: &str) -> RequestBuilder {
    post(app, json!({ "query": query }).to_string())
}

/// Returns a GET of this document, and of further parameters.
fn get(app: &TestApp, query: &str) -> RequestBuilder {
    app.http.get(format!("http://{}/graphql?query={}", app.address, query.replace(' ', "%20").replace('"', "%22")))
}

pub async fn json(response: Response) -> Value {
    response.json().await.unwrap()
}

/// Checks that the answer is one request error, and returns its message.
#[track_caller]
pub fn fails(request: RequestBuilder, status: u16, code: &str) -> impl Future<Output = String> {
    let at = std::panic::Location::caller();
    async move {
        let response = request.send().await.unwrap();
        let got = response.status().as_u16();
        let body = json(response).await;
        assert_eq!(got, status, "{at}: {body}");
        assert!(body.get("data").is_none(), "{at}: a request error has no data: {body}");
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{at}: {body}");
        let message = body["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(!message.contains('\n') && message.len() < 300, "{at}: {message}");
        message
    }
}

/// Checks that the answer is an execution result, and returns it.
pub async fn succeeds(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body = json(response).await;
    assert!(body.get("data").is_some(), "{body}");
    body
}

const SIGN_UP: &str = "mutation { signUp(input: {email: \"a@example.org\", password: \"correct horse\", name: \"A\", \
                       role: CUSTOMER}) { viewer { name } userErrors { code } } }";

async fn accounts(app: &TestApp) -> i64 {
    app.number("SELECT count(*) AS n FROM users", []).await
}

#[tokio::test]
async fn a_query_and_a_mutation() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let response = ask(&app, "{ __typename }").send().await.unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(json(response).await, json!({ "data": { "__typename": "Query" } }));
    assert_eq!(succeeds(ask(&app, SIGN_UP)).await["data"]["signUp"]["viewer"]["name"], "A");
    let variables =
        "query Q($id: ID!) {event(id: $id) {id}}&variables=%7B%22id%22:%22RXZlbnQ6AAAAAAAAAAAAAAAAAAAABw%22%7D";
    let answer = succeeds(get(&app, variables)).await;
    assert!(answer["data"]["event"].is_null(), "{answer}");
    let token = app.customer().await.token.unwrap();
    for scheme in ["Bearer", "bearer"] {
        let answer =
            succeeds(ask(&app, "{ viewer { name } }").header(AUTHORIZATION, format!("{scheme} {token}"))).await;
        assert!(answer["data"]["viewer"]["name"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn the_media_type_is_negotiated() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for (accept, expected) in [
        ("*/*", PLAIN),
        ("application/*", PLAIN),
        ("application/json", PLAIN),
        (RICH, RICH),
        ("application/graphql-response+json, application/json;q=0.9", RICH),
        ("application/graphql-response+json;q=0.5, application/json;q=0.9", PLAIN),
        ("application/json, application/graphql-response+json", RICH),
        ("application/graphql-response+json, */*;q=0.1", RICH),
        ("application/json, multipart/mixed", PLAIN),
        ("text/html, application/json;q=0", ""),
        ("*/*, application/json;q=0", RICH),
        ("APPLICATION/JSON; charset=utf-8; Q=0.3", PLAIN),
        ("text/html", ""),
        ("text/html, multipart/mixed", ""),
        ("*/*;q=0", ""),
        ("application/json;q=nonsense", ""),
        (",;/,=", ""),
    ] {
        let request = ask(&app, "{ __typename }").header(ACCEPT, accept);
        if expected.is_empty() {
            fails(request, 406, "BAD_USER_INPUT").await;
            continue;
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], format!("{expected}; charset=utf-8"), "{accept}");
    }
}

#[tokio::test]
async fn only_json_in_utf_8_is_taken() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let body = r#"{"query":"{ __typename }"}"#;
    let url = format!("http://{}/graphql", app.address);
    for (content_type, taken) in [
        ("application/json", true),
        ("application/json; charset=utf-8", true),
        ("Application/JSON;charset=\"UTF-8\"", true),
        ("application/json; charset=latin1", false),
        ("text/plain", false),
        ("application/x-www-form-urlencoded", false),
        ("multipart/form-data; boundary=x", false),
        ("application/graphql", false),
        ("application/jsonp", false),
    ] {
        let request = app.http.post(&url).header(CONTENT_TYPE, content_type).body(body);
        if taken {
            succeeds(request).await;
        } else {
            fails(request, 415, "BAD_USER_INPUT").await;
        }
    }
    fails(app.http.post(&url).body(body), 415, "BAD_USER_INPUT").await;
    fails(post(&app, body).header("content-encoding", "gzip"), 415, "BAD_USER_INPUT").await;
}

#[tokio::test]
async fn a_body_has_to_be_one_request() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for body in [
        "",
        "{",
        "nonsense",
        "null",
        "1",
        "\"{ __typename }\"",
        "[]",
        r#"[{"query":"{ __typename }"}]"#,
        "{}",
        r#"{"query":null}"#,
        r#"{"query":1}"#,
        r#"{"query":["{ __typename }"]}"#,
        r#"{"query":"{ __typename }","variables":[]}"#,
        r#"{"query":"{ __typename }","variables":"{}"}"#,
        r#"{"query":"{ __typename }","operationName":1}"#,
        r#"{"query":"{ __typename }","extensions":[]}"#,
    ] {
        for accept in [PLAIN, RICH] {
            fails(post(&app, body).header(ACCEPT, accept), 400, "BAD_USER_INPUT").await;
        }
    }
    fails(post(&app, "[".repeat(100_000)), 400, "BAD_USER_INPUT").await;
    fails(post(&app, &b"{\"query\":\"{ __typename } # \xff\"}"[..]), 400, "BAD_USER_INPUT").await;
    // Unknown members are ignored, and null is as good as absent.
    succeeds(post(
        &app,
        r#"{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null,"more":[1]}"#,
    ))
    .await;
}

#[tokio::test]
async fn a_document_that_is_not_executed_says_why_in_both_media_types() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let bomb = "{ ...F0 } ".to_owned()
        + &(0..30).map(|i| format!("fragment F{i} on Query {{ ...F{0} ...F{0} }} ", i + 1)).collect::<String>()
        + "fragment F30 on Query { viewer { id } }";
    let long = format!("{{ viewer {{ id }} }} # {}", "x".repeat(17_000));
    let many = format!("{{ {} }}", "viewer ".repeat(2_000));
    let aliased = format!("{{ {} }}", (0..16).map(|i| format!("a{i}: __typename ")).collect::<String>());
    let wide = "{ events(first: 100) { nodes { bookings(first: 100) { nodes { id } } } } }";
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{ viewer(", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ viewer { id { id } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query Q($id: ID!) { event(id: $id) { id } }", "BAD_USER_INPUT"),
        ("query A { __typename } query B { __typename }", "BAD_USER_INPUT"),
        ("{ viewer { ...A } } fragment A on User { viewer { ...A } }", "GRAPHQL_VALIDATION_FAILED"),
        (&bomb, "TOO_COSTLY"),
        (&long, "TOO_COSTLY"),
        (&many, "TOO_COSTLY"),
        (&aliased, "TOO_COSTLY"),
        (wide, "TOO_COSTLY"),
    ] {
        fails(ask(&app, query).header(ACCEPT, RICH), 400, code).await;
        fails(ask(&app, query).header(ACCEPT, PLAIN), 200, code).await;
    }
    let body = json!({ "query": "query A { __typename }", "operationName": "B" }).to_string();
    fails(post(&app, body).header(ACCEPT, RICH), 400, "BAD_USER_INPUT").await;
}

#[tokio::test]
async fn a_syntax_error_is_one_line_and_echoes_nothing() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let query = format!("{{ viewer(secret: \"{}\" }} }} }}", "hunter2".repeat(500));
    let message = fails(ask(&app, &query).header(ACCEPT, RICH), 400, "GRAPHQL_PARSE_FAILED").await;
    assert!(message.starts_with("Syntax error at line 1, column "), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn deep_documents_of_every_kind_are_refused() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for depth in [100, 450, 8_000] {
        for (before, open, middle, close, after) in [
            ("", "{a", "", "}", ""),
            ("", "{...{a", "", "}}", ""),
            ("", "(", "", ")", ""),
            ("{ event(id: ", "[", "", "]", ") }"),
            ("{ event(id: ", "{a:", "1", "}", ") }"),
            ("query Q($a: ", "[", "Int", "]", ") { viewer }"),
            ("query Q($a: Int = ", "[", "", "]", ") { viewer }"),
            ("query Q($a: Int = ", "{a:", "1", "}", ") { viewer }"),
            ("{ viewer @include(if: ", "[", "", "]", ") }"),
        ] {
            let query = format!("{before}{}{middle}{}{after}", open.repeat(depth), close.repeat(depth));
            fails(ask(&app, &query).header(ACCEPT, RICH), 400, "TOO_COSTLY").await;
        }
    }
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    succeeds(post(&app, format!("{{\"query\":\"{{ __typename }}\",\"variables\":{{\"a\":{deep}}}}}"))).await;
}

/// Writes the head of a POST and `body`, and reads the answer until the other side closes.
async fn raw(app: &TestApp, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(&app.address).await.unwrap();
    let head = format!("POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    // The connection may end by a reset.
    let _ = tokio::time::timeout(crate::harness::PATIENCE, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn who_is_refused_may_send_the_rest_and_go_on() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let mut stream = TcpStream::connect(&app.address).await.unwrap();
    let body = json!({ "query": "{ __typename }", "variables": { "x": "x".repeat(100_000) } }).to_string();
    let mut answers = String::new();
    // The connection stays usable after a refusal: no body is taken for the next request, and nothing is reset.
    for (authorization, status) in [("Bearer nobody", 401), ("Bearer nobody", 401), ("", 200)] {
        let header =
            if authorization.is_empty() { String::new() } else { format!("authorization: {authorization}\r\n") };
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{header}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (first, rest) = body.split_at(10);
        stream.write_all(first.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await; // this thread runs the server too: it may refuse before the rest is there
        stream.write_all(rest.as_bytes()).await.unwrap();
        answers.clear();
        let mut some = [0; 4_096];
        while !(answers.contains("\r\n\r\n") && answers.ends_with('}')) {
            let read = tokio::time::timeout(crate::harness::PATIENCE, stream.read(&mut some)).await.expect("no answer");
            let read = read.expect("a reset");
            assert!(read > 0, "closed: {answers}");
            answers.push_str(std::str::from_utf8(&some[..read]).unwrap());
        }
        assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{answers}");
    }
}

#[tokio::test]
async fn large_bodies_are_refused_readably() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let body = |size: usize| json!({ "query": "{ __typename }", "variables": { "x": "x".repeat(size) } }).to_string();
    fails(post(&app, body(8 << 20)), 413, "TOO_COSTLY").await;
    fails(post(&app, body(256 << 10)), 413, "TOO_COSTLY").await;
    succeeds(post(&app, body(255 << 10))).await;
    // The same without a declared length.
    let mut chunks = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(64);
    chunks.push_str("0\r\n\r\n");
    let answer = raw(&app, "connection: close\r\ntransfer-encoding: chunked", chunks.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("TOO_COSTLY"), "{answer}");
    // Far too large: refused by its declared length, without reading it.
    let answer = raw(&app, "content-length: 99999999999", b"{").await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_says() {
    let stand = Stand::open(|plan| plan.body.bytes = 20 << 20).await;
    let body = |size: usize| json!({ "query": "{ __typename }", "variables": { "x": "x".repeat(size) } }).to_string();
    succeeds(post(&stand.app, body(18 << 20))).await;
    let chunks = body(18 << 20).into_bytes();
    let chunks = [format!("{:x}\r\n", chunks.len()).into_bytes(), chunks, b"\r\n0\r\n\r\n".to_vec()].concat();
    let answer = raw(&stand.app, "connection: close\r\ntransfer-encoding: chunked", &chunks).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = raw(&stand.app, &format!("content-length: {}", (20 << 20) + 1), b"{").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let stand = Stand::open(|plan| plan.body.within = Duration::from_millis(50)).await;
    for (head, body) in [("content-length: 100", &b"{\"query\""[..]), ("transfer-encoding: chunked", b"1\r\n{\r\n")] {
        let answer = raw(&stand.app, head, body).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("BAD_USER_INPUT"), "{answer}");
    }
}

#[tokio::test]
async fn get_is_for_queries() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let response = get(&app, SIGN_UP).send().await.unwrap();
    assert_eq!(response.headers()[ALLOW], "POST");
    fails(get(&app, SIGN_UP), 405, "BAD_USER_INPUT").await;
    let named =
        format!("query A {{__typename}} mutation B{}&operationName=B", SIGN_UP.strip_prefix("mutation").unwrap());
    fails(get(&app, &named), 405, "BAD_USER_INPUT").await;
    assert_eq!(accounts(&app).await, 0, "nothing was written");
    let message = fails(get(&app, "subscription {noticeReceived {cursor}}"), 400, "BAD_USER_INPUT").await;
    assert!(message.contains("/graphql/ws"), "{message}");
    fails(ask(&app, "subscription { noticeReceived { cursor } }"), 400, "BAD_USER_INPUT").await;
    fails(app.http.get(format!("http://{}/graphql", app.address)), 400, "BAD_USER_INPUT").await;
    fails(get(&app, "{__typename}&variables=x"), 400, "BAD_USER_INPUT").await;
    fails(get(&app, "{__typename}&variables=[]"), 400, "BAD_USER_INPUT").await;
    fails(get(&app, "{__typename}&query={__typename}"), 400, "BAD_USER_INPUT").await;
    succeeds(get(&app, "{__typename}&variables=&operationName=&extensions=")).await;
    let url = format!("http://{}/graphql?query={{__typename}}", app.address);
    let head = app.http.head(&url).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::OPTIONS] {
        let response = app.http.request(method, &url).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[ALLOW]),
            (405, &"GET, HEAD, POST".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_ask_by_get() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for (site, header, status) in [
        ("cross-site", None, 403),
        ("same-site", None, 403),
        ("cross-site", Some(("apollo-require-preflight", "1")), 200),
        ("cross-site", Some(("x-apollo-operation-name", "Q")), 200),
        ("cross-site", Some(("graphql-require-preflight", "1")), 200),
        ("cross-site", Some(("content-type", "application/json")), 200),
        ("cross-site", Some(("content-type", "text/plain")), 403),
        ("same-origin", None, 200),
        ("none", None, 200),
    ] {
        let mut request = get(&app, "{__typename}").header("sec-fetch-site", site);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{site} {header:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_told_so() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let customer = app.customer().await;
    let good = customer.token.clone().unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let foreign = Keys::new([&b"a secret of somebody else, long enough as well"[..]]).unwrap();
    let (foreign, _) = foreign.sign(customer.user, customer.session.unwrap(), app.clock.now()).unwrap();
    let told = async |value: &str| {
        for accept in [PLAIN, RICH] {
            let request = || ask(&app, "{ __typename }").header(AUTHORIZATION, value).header(ACCEPT, accept);
            fails(request(), 401, "UNAUTHENTICATED").await;
            let response = request().send().await.unwrap();
            assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"), "{value}");
        }
    };
    for value in ["Bearer nobody", "Bearer", "Bearer ", "Basic YTpi", "alice"] {
        told(value).await;
    }
    told(&good).await; // without its scheme
    told(&format!("Bearer {foreign}")).await;
    told(&format!("Bearer {head}.{}", signature.chars().rev().collect::<String>())).await;
    told(&format!("Bearer {head}.")).await;
    let bearer = format!("Bearer {good}");
    fails(
        ask(&app, "{ __typename }").header(AUTHORIZATION, &bearer).header(AUTHORIZATION, &bearer),
        401,
        "UNAUTHENTICATED",
    )
    .await;
    succeeds(ask(&app, "{ __typename }").header(AUTHORIZATION, &bearer)).await;
    app.clock.advance(Duration::from_secs(15 * 60));
    told(&bearer).await;
}

#[tokio::test]
async fn a_session_that_cannot_be_looked_up_is_no_reason_to_sign_in_again() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let token = app.customer().await.token.unwrap();
    app.sql("ALTER TABLE session RENAME TO lost", []).await;
    let request = || ask(&app, "{ __typename }").bearer_auth(&token);
    assert_eq!(request().send().await.unwrap().headers()[RETRY_AFTER], "1");
    fails(request(), 503, "OVERLOADED").await;
    succeeds(ask(&app, "{ __typename }")).await;
}

#[tokio::test]
async fn a_panic_costs_its_request_and_stays_inside() {
    let stand = Stand::open(|_| ()).await;
    let outside = json!({ "query": "query Panics { __typename }", "operationName": "Panics" }).to_string();
    for request in [
        ask(&stand.app, "{ __typename panics: viewer { id } }"),
        ask(
            &stand.app,
            "mutation { panics: signUp(input: {email: \"\", password: \"\", name: \"\", role: CUSTOMER}) { message: __typename } }",
        ),
        post(&stand.app, outside),
    ] {
        let message = fails(request, 500, "INTERNAL").await;
        assert!(!message.contains("secret"), "{message}");
    }
    // Other requests are not affected.
    succeeds(ask(&stand.app, "{ __typename }")).await;
}

#[tokio::test]
async fn what_failed_inside_is_masked_and_its_siblings_stay() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    app.sql("ALTER TABLE event RENAME TO lost", []).await;
    let answer = succeeds(ask(&app, "{ __typename events(first: 1) { nodes { id } } viewer { id } }")).await;
    assert_eq!(answer["data"], json!({ "__typename": "Query", "events": null, "viewer": null }));
    let error = &answer["errors"][0];
    assert_eq!((&error["path"], &error["extensions"]["code"]), (&json!(["events"]), &json!("INTERNAL")));
    assert!(error["extensions"]["requestId"].is_string(), "{error}");
    for word in ["table", "SELECT", "sql", "lost"] {
        assert!(!answer.to_string().contains(word), "{answer}");
    }
}

#[tokio::test]
async fn one_malformed_id_costs_one_place_and_ten_errors_are_listed() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let event = organizer.event(1).await;
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } __typename }";
    let answer = organizer.ask(nodes, json!({ "ids": [event, "nonsense", event] })).await;
    assert_eq!(
        answer.body["data"],
        json!({ "nodes": [{ "id": event }, null, { "id": event }], "__typename": "Query" })
    );
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 1);
    assert_eq!(answer.body["errors"][0]["path"], json!(["nodes", 1]));
    assert_eq!(answer.fault(), "BAD_USER_INPUT");
    let answer = organizer.ask(nodes, json!({ "ids": vec!["nonsense"; 30] })).await;
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 10);
    assert_eq!(answer.body["data"]["nodes"], json!(vec![Value::Null; 30]));
}

#[tokio::test]
async fn patience_ends_but_a_mutation_does_not() {
    let stand = Stand::open(|plan| plan.patience = Duration::from_millis(50)).await;
    fails(ask(&stand.app, "{ waits: viewer { id } }"), 503, "OVERLOADED").await;
    stand.saboteur.dropped.seen().await; // a query ends when its client has gone
    let mutation = SIGN_UP.replace("signUp", "waits: signUp");
    let message = fails(ask(&stand.app, &mutation), 503, "OVERLOADED").await;
    assert!(message.contains("idempotency key"), "{message}");
    assert_eq!(accounts(&stand.app).await, 0);
    stand.saboteur.gate.give();
    stand.ended().await;
    assert_eq!(accounts(&stand.app).await, 1);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_query_but_no_mutation() {
    let stand = Stand::open(|_| ()).await;
    let query = tokio::spawn(ask(&stand.app, "{ waits: viewer { id } }").send());
    stand.saboteur.begun.seen().await;
    query.abort();
    stand.left.seen().await;
    stand.saboteur.dropped.seen().await;
    let mutation = tokio::spawn(ask(&stand.app, &SIGN_UP.replace("signUp", "waits: signUp")).send());
    // The query began and was dropped; this one begins, and continues only after its client has gone.
    stand.saboteur.begun.seen().await;
    mutation.abort();
    stand.left.seen().await;
    assert_eq!(accounts(&stand.app).await, 0);
    stand.saboteur.gate.give();
    stand.ended().await;
    assert_eq!(accounts(&stand.app).await, 1);
}

#[tokio::test]
async fn the_rest_of_the_addresses() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let get = async |app: &TestApp, path: &str| {
        let response = app.http.get(format!("http://{}{path}", app.address)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get(&app, "/healthz").await, (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(get(&app, "/readyz").await, (200, r#"{"status":"ok"}"#.to_owned()));
    let (status, body) = get(&app, "/nothing").await;
    assert!(status == 404 && body.contains("NOT_FOUND"), "{status} {body}");
    let (status, body) = get(&app, "/graphql/ws").await;
    assert!(status == 426 && body.contains("BAD_USER_INPUT"), "{status} {body}");
    assert_eq!(get(&app, "/graphiql").await.0, 200);
    app.sql("ALTER TABLE meta RENAME TO lost", []).await;
    app.eventually("it is not ready", || async { get(&app, "/readyz").await.0 == 503 }).await;
    let (_, body) = get(&app, "/readyz").await;
    assert!(body.contains("DATABASE_FAILING") && !body.contains("lost"), "{body}");
    assert_eq!(get(&app, "/healthz").await.0, 200, "it lives, and must not be restarted for it");
    let stand = Stand::open(|_| ()).await;
    let (status, body) = get(&stand.app, "/readyz").await;
    assert!(status == 503 && body.contains("asleep"), "{status} {body}");
}

#[tokio::test]
async fn conditions_have_defaults_and_a_type_may_stand_under_one() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let list = json!({ "totalCount": 0 });
    for (query, data) in [
        ("query($x: Boolean = true) { events(first: 1) @include(if: $x) { totalCount } }", json!({ "events": list })),
        (
            "query($x: Boolean = true) { ... @include(if: $x) { a: events(first: 1) @skip(if: $x) { totalCount } } }",
            json!({}),
        ),
        ("query($x: Boolean! = true) { __typename @include(if: $x) }", json!({ "__typename": "Query" })),
        ("query($x: Boolean = true) { a: __typename @skip(if: $x) b: __typename }", json!({ "b": "Query" })),
        (
            "query($x: Boolean = false) { ...f b: __typename } fragment f on Query { ... { a: __typename @skip(if: $x) } }",
            json!({ "a": "Query", "b": "Query" }),
        ),
    ] {
        assert_eq!(succeeds(ask(&app, query)).await["data"], data, "{query}");
    }
    let given =
        json!({ "query": "query($x: Boolean = true) { a: __typename @skip(if: $x) }", "variables": { "x": false } });
    assert_eq!(succeeds(post(&app, given.to_string())).await["data"], json!({ "a": "Query" }), "what is given counts");
}
