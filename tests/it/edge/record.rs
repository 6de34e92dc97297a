//! Log records: a line for each operation, and one record when a request fails inside, which the request id in the
//! answer finds.
//! Not here: the other parts of the answer (`http`).

use std::io::Write;
use std::sync::{Arc, Mutex};

use boxoffice::engine::budget;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::http::{json, post};
use super::stand::Stand;
use crate::harness::Stage;
use crate::harness::events::Events;
use crate::harness::socket::Socket;

#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<u8>>>);

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Records {
    /// Collects the records of this thread from now on.
    fn begin() -> (Self, [Box<dyn std::any::Any>; 2]) {
        let records = Self::default();
        let writer = records.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        // While there is only one subscriber, a thread without one could decide for all threads that no subscriber
        // listens.
        let second = tracing::Dispatch::new(tracing_subscriber::registry());
        let guard = tracing::subscriber::set_default(subscriber); // this thread runs the server too
        (records, [Box::new(second), Box::new(guard)])
    }

    /// Returns the lines that contain a text.
    fn with(&self, text: &str) -> Vec<String> {
        let written = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        written.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_operation_has_one_line() {
    let (records, _guards) = Records::begin();
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let body = |query: &str, name: Value| json!({ "query": query, "operationName": name, "variables": { "n": "variable4711" } });
    let long = "x".repeat(200);
    for (query, name, parts) in [
        (
            "query Who { viewer { id } }",
            Value::Null,
            ["operation=\"Who\" kind=\"query\" outcome=\"done\"", "cost=2 messages=1"],
        ),
        ("query A { viewer { id } } query B { __typename }", json!("B"), ["operation=\"B\"", "cost=1"]),
        (
            "query Bad { nothing }",
            Value::Null,
            ["operation=\"Bad\" kind=\"query\" outcome=\"refused\"", "code=\"GRAPHQL_VALIDATION_FAILED\""],
        ),
        (
            "query Broken {",
            json!("Broken\n{\"a\":1}"),
            ["operation=\"Brokena1\" outcome=\"refused\"", "code=\"GRAPHQL_PARSE_FAILED\""],
        ),
        ("{", json!(long), ["operation=\"xxxx", "code=\"GRAPHQL_PARSE_FAILED\""]),
        (
            "query Mine { myBookings(first: 1) { nodes { id } } }",
            Value::Null,
            ["operation=\"Mine\" kind=\"query\" outcome=\"errors\"", "code=\"UNAUTHENTICATED\""],
        ),
    ] {
        records.0.lock().unwrap().clear();
        let response = post(&app, body(query, name).to_string()).send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        response.bytes().await.unwrap();
        let lines = records.with(&id);
        assert_eq!(lines.len(), 1, "{query}: {lines:?}");
        assert!(parts.iter().all(|part| lines[0].contains(part)) && lines[0].contains(" ms="), "{query}: {}", lines[0]);
        assert!(lines[0].len() < 400 && !lines[0].contains("variable4711"), "{}", lines[0]);
    }
    // Over the other transports too; a stream when it ends.
    records.0.lock().unwrap().clear();
    let mut socket = Socket::open(&app.address, None).await;
    socket.subscribe("1", "query Socket { __typename }", json!({})).await;
    socket.next("1").await;
    let event = app.organizer().await.event(1).await;
    let watch = "subscription Watch($id: ID!) { availabilityChanged(eventId: $id) { revision } }";
    socket.subscribe("2", watch, json!({ "id": event })).await;
    while socket.message().await["id"] != "2" {}
    assert_eq!(records.with("operation=\"Watch\"").len(), 0);
    socket.say(json!({ "type": "complete", "id": "2" })).await;
    app.eventually("the stream is written down", || async { !records.with("operation=\"Watch\"").is_empty() }).await;
    let lines = records.with("operation=\"Watch\"");
    assert!(lines.len() == 1 && lines[0].contains("kind=\"subscription\" outcome=\"done\""), "{lines:?}");
    let request = app.http.post(format!("http://{}/graphql/stream", app.address)).header(ACCEPT, "text/event-stream");
    Events::open(request.json(&json!({ "query": "query Events { __typename }" })), "text/event-stream")
        .await
        .rest()
        .await;
    for name in ["Socket", "Events"] {
        assert_eq!(records.with(&format!("operation=\"{name}\"")).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_flood_does_not_flood_the_log() {
    let (records, _guards) = Records::begin();
    let stage = Stage::sqlite();
    let one = std::num::NonZeroU32::MIN;
    let bucket = budget::Settings { points: one, per_second: one, address_factor: one };
    let app = stage.app_with(|options| options.budget = Some(bucket)).await;
    for _ in 0..50 {
        let request = post(&app, json!({ "query": "query Flood { __typename }" }).to_string());
        request.header("x-forwarded-for", "203.0.113.9").send().await.unwrap().bytes().await.unwrap();
    }
    let refused = records.with("refused by rate");
    assert!((1..=20).contains(&refused.len()), "{refused:?}");
    assert!(refused[0].contains("operation=\"Flood\"") && refused[0].contains("request_id="), "{}", refused[0]);
    assert_eq!(records.with("operation=\"Flood\"").len(), 1 + refused.len(), "the one that ran");
    let forwarded = records.with("a forwarded header is not trusted");
    assert!((1..=3).contains(&forwarded.len()), "{forwarded:?}");
    assert!(forwarded[0].contains("x-forwarded-for") && !forwarded[0].contains("203.0.113.9"), "{}", forwarded[0]);
}

#[tokio::test]
async fn one_record_per_masked_answer_and_no_variables_in_it() {
    let (records, _guards) = Records::begin();
    let stand = Stand::open(|_| ()).await;
    let fails = "query Q($n: ID!) { event(id: $n) { id } fails: viewer { id } }";
    let panics = fails.replace("fails", "panics");
    let outside = "query Panics($n: ID!) { event(id: $n) { id } }";
    let cases = [
        (Way::Post, fails, "Q", "secret of a failure"),
        (Way::Post, &panics, "Q", "secret of a panic"),
        (Way::Post, outside, "Panics", "secret of a panic outside"),
        (Way::Socket, &panics, "Q", "secret of a panic"),
        (Way::Socket, outside, "Panics", "secret of a panic outside"),
        (Way::Events, outside, "Panics", "secret of a panic outside"),
    ];
    for (way, query, name, secret) in cases {
        records.0.lock().unwrap().clear();
        let asked = json!({ "query": query, "operationName": name, "variables": { "n": "variable4711" } });
        let answer = way.ask(&stand, asked).await;
        let case = format!("{way:?} {name}: {answer}");
        assert!(!answer.to_string().contains("secret"), "{case}");
        // A request error over a socket is the list itself.
        let errors = answer["errors"].as_array().or(answer.as_array()).expect(&case);
        let internal = errors.iter().find(|error| error["extensions"]["code"] == "INTERNAL").expect(&case);
        let id = internal["extensions"]["requestId"].as_str().expect(&case);
        let written = String::from_utf8(records.0.lock().unwrap().clone()).unwrap();
        let errors: Vec<&str> = written.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{case}\n{written}");
        assert!(errors[0].contains(id) && errors[0].contains(secret), "{case}\n{written}");
        assert!(!written.contains("variable4711"), "{case}\n{written}");
    }
}

/// Transport of a request.
#[derive(Debug)]
enum Way {
    Post,
    Socket,
    Events,
}

impl Way {
    /// Returns the first answer.
    async fn ask(&self, stand: &Stand, asked: Value) -> Value {
        match self {
            Self::Post => json(post(&stand.app, asked.to_string()).send().await.unwrap()).await,
            Self::Socket => {
                let mut socket = Socket::open(&stand.app.address, None).await;
                socket.say(json!({ "type": "subscribe", "id": "1", "payload": asked })).await;
                socket.message().await["payload"].take()
            }
            Self::Events => {
                let url = format!("http://{}/graphql/stream", stand.app.address);
                let request = stand.app.http.post(&url).header(ACCEPT, "text/event-stream").json(&asked);
                Events::open(request, "text/event-stream").await.rest().await.remove(0).data
            }
        }
    }
}
