//! Results sent one by one over plain HTTP: server-sent events at `/graphql/stream` and Apollo's multipart at
//! `/graphql`: requests, refusals, resuming and ends.
//! Not here: real clients (`tests/clients`), and the contents of streams (`live`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use serde_json::{Value, json};

use super::http::{ask, fails, json, post};
use super::stand::Stand;
use crate::harness::events::{Event, Events, stream};
use crate::harness::{Actor, PATIENCE, Stage, TestApp};

const EVENTS: &str = "text/event-stream";
const PARTS: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
const NOTICES: &str =
    "subscription($after: String) { noticeReceived(after: $after) { cursor resync notice { number } } }";
const AVAILABILITY: &str = "subscription($id: ID!) { availabilityChanged(eventId: $id) { revision available } }";

fn complete() -> Event {
    Event { kind: "complete".into(), id: None, data: Value::Null }
}

/// Returns the numbers of the notices in the next `n` results.
async fn numbers(events: &mut Events, n: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    while numbers.len() < n {
        numbers.push(events.next().await.1["noticeReceived"]["notice"]["number"].as_i64().unwrap());
    }
    numbers
}

#[tokio::test]
async fn queries_and_mutations_are_one_result() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(3).await;
    let mut events = Events::open(customer.stream("{ viewer { role } }", json!({})), EVENTS).await;
    assert_eq!(events.next().await, (None, json!({ "viewer": { "role": "CUSTOMER" } })));
    assert_eq!(events.rest().await, [complete()]);
    let book = "mutation($input: CreateBookingInput!) { createBooking(input: $input) { booked userErrors { code } } }";
    let input = json!({ "input": { "eventId": event, "quantity": 2 } });
    let mut events = Events::open(customer.stream(book, input), EVENTS).await;
    assert_eq!(events.next().await.1["createBooking"]["booked"], 2);
    assert_eq!(events.rest().await, [complete()]);
    let get = app.http.get(format!("http://{}/graphql/stream?query={{__typename}}", app.address));
    let mut events = Events::open(get.header(ACCEPT, EVENTS), EVENTS).await;
    assert_eq!(events.next().await.1, json!({ "__typename": "Query" }));
    // The request of a browser's own EventSource.
    let watch = format!("subscription{{availabilityChanged(eventId:%22{event}%22){{available}}}}");
    let get = app.http.get(format!("http://{}/graphql/stream?query={watch}", app.address));
    let mut events = Events::open(get.header(ACCEPT, EVENTS), EVENTS).await;
    assert_eq!(events.next().await.1, json!({ "availabilityChanged": { "available": 1 } }));
    // A client that accepts only events gets them at the usual address too.
    let mut events = Events::open(ask(&app, "{ __typename }").header(ACCEPT, EVENTS), EVENTS).await;
    assert_eq!(events.next().await.1, json!({ "__typename": "Query" }));
}

#[tokio::test]
async fn what_is_wrong_with_a_document_is_told_in_events() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { a: noticeReceived { cursor } b: noticeReceived { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { noticeReceived { cursor } }", "UNAUTHENTICATED"),
        ("subscription($id: ID!) { availabilityChanged(eventId: $id) { revision } }", "BAD_USER_INPUT"),
    ] {
        let mut events = Events::open(stream(&app, query, json!({})), EVENTS).await;
        let event = events.event().await.unwrap();
        assert_eq!((&*event.kind, &event.data["errors"][0]["extensions"]["code"]), ("next", &json!(code)), "{event:?}");
        assert!(event.data.get("data").is_none(), "{event:?}");
        assert_eq!(events.rest().await, [complete()]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_status() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let hello = || stream(&app, "{ __typename }", json!({}));
    fails(hello().bearer_auth("nobody"), 401, "UNAUTHENTICATED").await;
    fails(hello().header(CONTENT_TYPE, "text/plain"), 415, "BAD_USER_INPUT").await;
    let url = format!("http://{}/graphql/stream", app.address);
    let post = |accept: &str, body: &str| {
        let request = app.http.post(&url).header(ACCEPT, accept).header(CONTENT_TYPE, "application/json");
        request.body(body.to_owned())
    };
    fails(post("application/json", "{}"), 406, "BAD_USER_INPUT").await;
    fails(post("text/event-stream;q=0, */*", "{}"), 406, "BAD_USER_INPUT").await;
    fails(post("*/*", "{}"), 400, "BAD_USER_INPUT").await;
    fails(post("text/*", "nonsense"), 400, "BAD_USER_INPUT").await;
    let get = |query: &str| app.http.get(format!("{url}?query={query}")).header(ACCEPT, EVENTS);
    let mutation = || get("mutation{readNotices(input:{}){userErrors{code}}}");
    assert_eq!(mutation().send().await.unwrap().headers()[ALLOW], "POST");
    fails(mutation(), 405, "BAD_USER_INPUT").await;
    fails(get("{__typename}").header("sec-fetch-site", "cross-site"), 403, "FORBIDDEN").await;
    assert_eq!(app.http.put(&url).send().await.unwrap().status(), 405);
    for id in ["with space", "a:b", &"x".repeat(129)] {
        fails(hello().header("last-event-id", id), 400, "BAD_USER_INPUT").await;
    }
}

/// The id of each event is its cursor, and comes back as `Last-Event-ID`, whatever `after` the document has.
#[apply(scene!)]
async fn a_cut_stream_resumes_behind_its_last_event(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let mut events = Events::open(customer.stream(NOTICES, json!({})), EVENTS).await;
    let (opening, data) = events.next().await;
    assert_eq!(opening.as_deref(), data["noticeReceived"]["cursor"].as_str());
    customer.books(&event, 1).await;
    let (id, data) = events.next().await;
    assert_eq!(id.as_deref(), data["noticeReceived"]["cursor"].as_str());
    drop(events);
    customer.books(&event, 1).await;
    customer.books(&event, 1).await;
    let (opening, id) = (opening.unwrap(), id.unwrap());
    for query in [
        NOTICES,
        "subscription { noticeReceived { cursor notice { number } } }",
        "subscription { noticeReceived(after: null) { cursor notice { number } } }",
        "subscription($x: String! = \"\") { noticeReceived(after: $x) { cursor notice { number } } }",
        "subscription { ...F ... { ...G } } fragment F on Subscription { noticeReceived { cursor } } \
         fragment G on Subscription { noticeReceived { notice { number } } }",
    ] {
        for (last, expected) in [(&opening, vec![1, 2, 3]), (&id, vec![2, 3])] {
            let request = customer.stream(query, json!({ "after": opening })).header("last-event-id", last);
            let mut events = Events::open(request, EVENTS).await;
            assert_eq!(events.next().await.0.as_ref(), Some(last), "{query}");
            assert_eq!(numbers(&mut events, expected.len()).await, expected, "{query}");
        }
    }
    // Without the cursor there is no id to resume with.
    let mut blind =
        Events::open(customer.stream("subscription { noticeReceived { resync } }", json!({})), EVENTS).await;
    assert_eq!(blind.next().await.0, None);
    // An unknown id is refused.
    let request = customer.stream(NOTICES, json!({})).header("last-event-id", "bm9uc2Vuc2U");
    let refused = Events::open(request, EVENTS).await.rest().await;
    assert_eq!(refused[0].data["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{refused:?}");
    // A state begins with its present value: it has no ids, and nothing to resume.
    let request = stream(&app, AVAILABILITY, json!({ "id": event })).header("last-event-id", &id);
    let (none, data) = Events::open(request, EVENTS).await.next().await;
    assert_eq!((none, &data["availabilityChanged"]["available"]), (None, &json!(6)));
}

/// Returns a service with streams that check their rights often, and a customer with an open stream.
async fn watched(framing: &'static str) -> (Stage, TestApp, Actor, Events) {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.sockets.recheck = Duration::from_millis(20)).await;
    let person = app.customer().await;
    let request = match framing {
        EVENTS => person.stream(NOTICES, json!({})),
        _ => parts(&person, NOTICES),
    };
    let mut events = Events::open(request, framing).await;
    match framing {
        EVENTS => drop(events.next().await),
        _ => assert!(events.part().await.unwrap()["payload"]["data"].is_object()),
    }
    (stage, app, person, events)
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_its_rights() {
    let (_stage, app, _, mut events) = watched(EVENTS).await;
    app.clock.advance(Duration::from_secs(16 * 60));
    let rest = events.rest().await;
    assert_eq!(rest[0].data["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{rest:?}");
    assert_eq!(rest[1..], [complete()]);
    let (_stage, _app, person, mut events) = watched(EVENTS).await;
    person.mutate("signOut", json!({}), "ended").await.ok();
    let rest = events.rest().await;
    assert_eq!(rest[0].data["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{rest:?}");
    let (_stage, app, person, mut events) = watched(EVENTS).await;
    let role = json!({ "userId": boxoffice::id::NodeId::to_global_id(person.user), "role": "ADMIN" });
    app.admin().await.mutate("setUserRole", role, "user { role }").await.ok();
    let rest = events.rest().await;
    assert_eq!(rest[0].data["errors"][0]["extensions"]["code"], "FORBIDDEN", "{rest:?}");
    assert_eq!(rest[1..], [complete()]);
}

#[tokio::test]
async fn a_stop_ends_streams_without_a_word() {
    let (_stage, app, _, mut events) = watched(EVENTS).await;
    app.app.stopping().cancel();
    assert_eq!(events.rest().await, [], "so that the client comes back");
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.sockets.ping = Duration::from_millis(20)).await;
    let person = app.customer().await;
    let mut events = Events::open(person.stream(NOTICES, json!({})), EVENTS).await;
    // On a busy machine keep-alives come before the first message too.
    while events.event().await.expect("the stream is over").kind.is_empty() {}
    for _ in 0..3 {
        assert_eq!(events.event().await, Some(Event { kind: String::new(), id: None, data: Value::Null }));
    }
    let mut open = Events::open(parts(&person, NOTICES), PARTS).await;
    while open.part().await.expect("the stream is over") == json!({}) {}
    assert_eq!(open.part().await, Some(json!({})));
}

#[tokio::test]
async fn a_panic_costs_its_stream_only() {
    let stand = Stand::open(|_| ()).await;
    let url = format!("http://{}/graphql/stream", stand.app.address);
    for (query, name) in
        [("query Panics { __typename }", "Panics"), ("query Q { viewer { id } panics: viewer { id } }", "Q")]
    {
        let request = stand.app.http.post(&url).header(ACCEPT, EVENTS);
        let mut events = Events::open(request.json(&json!({ "query": query, "operationName": name })), EVENTS).await;
        let rest = events.rest().await;
        assert_eq!(rest[0].data["errors"][0]["extensions"]["code"], "INTERNAL", "{rest:?}");
        assert!(rest[0].data["errors"][0]["extensions"]["requestId"].is_string(), "{rest:?}");
        assert!(!format!("{rest:?}").contains("secret"), "{rest:?}");
        assert_eq!(rest[1..], [complete()]);
    }
    let mut events = Events::open(stream(&stand.app, "{ __typename }", json!({})), EVENTS).await;
    assert_eq!(events.next().await.1, json!({ "__typename": "Query" }));
}

#[tokio::test]
async fn who_does_not_read_is_left() {
    let stand = Stand::open(|plan| plan.sockets.write = Duration::from_millis(50)).await;
    let event = stand.app.organizer().await.event(1).await;
    stand.saboteur.flood.store(true, Ordering::SeqCst);
    let response = stream(&stand.app, AVAILABILITY, json!({ "id": event })).send().await.unwrap();
    stand.saboteur.dropped.seen().await; // nothing was read until then
    stand.ended().await;
    drop(response);
}

#[tokio::test]
async fn who_does_not_read_loses_the_connection() {
    let stand = Stand::open(|plan| {
        plan.connections.write = Duration::from_millis(50);
        plan.sockets.write = 2 * PATIENCE; // the producer of the results would wait
    })
    .await;
    let event = stand.app.organizer().await.event(1).await;
    stand.saboteur.flood.store(true, Ordering::SeqCst);
    let anybody = stand.app.anonymous();
    let watch = format!("subscription {{ availabilityChanged(eventId: \"{event}\") {{ available }} }}");
    for request in [anybody.stream(&watch, json!({})), parts(&anybody, &watch)] {
        let response = request.send().await.unwrap();
        stand.saboteur.dropped.seen().await;
        drop(response);
    }
    stand.ended().await;
}

#[tokio::test]
async fn who_goes_away_is_forgotten_and_nobody_has_too_many() {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.sockets.per_user = 2).await;
    let person = app.customer().await;
    let first = Events::open(person.stream(NOTICES, json!({})), EVENTS).await;
    let _socket = person.socket().await;
    fails(person.stream(NOTICES, json!({})), 429, "RATE_LIMITED").await;
    drop(first);
    app.eventually("there is room again", || async {
        person.stream(NOTICES, json!({})).send().await.unwrap().status() == 200
    })
    .await;
    // Queries do not count as streams.
    Events::open(person.stream("{ viewer { id } }", json!({})), EVENTS).await;
}

// --- Apollo's parts

/// Returns a POST as Apollo Client sends it.
fn parts(person: &Actor, query: &str) -> reqwest::RequestBuilder {
    let accept = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9";
    let request = ask(&person.app, query).header(ACCEPT, accept);
    person.token.iter().fold(request, |request, token| request.bearer_auth(token))
}

#[tokio::test]
async fn a_subscription_comes_in_parts() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(3).await;
    let mut open = Events::open(parts(&customer, NOTICES), PARTS).await;
    let opening = open.part().await.unwrap();
    assert!(opening["payload"]["data"]["noticeReceived"]["cursor"].is_string(), "{opening}");
    customer.books(&event, 1).await;
    assert_eq!(open.part().await.unwrap()["payload"]["data"]["noticeReceived"]["notice"]["number"], 1);
    // A stream that ends by itself sends an end.
    let entry = "mutation($input: JoinWaitlistInput!) { joinWaitlist(input: $input) { waitlistEntry { id } } }";
    customer.books(&event, 2).await;
    let entry = customer.ask(entry, json!({ "input": { "eventId": event, "quantity": 1 } })).await.ok();
    let entry = entry.text("joinWaitlist.waitlistEntry.id");
    let watch = format!("subscription {{ waitlistEntryChanged(entryId: \"{entry}\") {{ position status }} }}");
    let mut line = Events::open(parts(&customer, &watch), PARTS).await;
    assert_eq!(line.part().await.unwrap()["payload"]["data"]["waitlistEntryChanged"]["position"], 1);
    customer.leave(&entry).await.ok();
    assert_eq!(line.part().await.unwrap()["payload"]["data"]["waitlistEntryChanged"]["position"], Value::Null);
    assert_eq!(line.close_frame().await, "--\r\n");
}

#[tokio::test]
async fn what_is_no_subscription_is_answered_as_ever() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let anybody = app.anonymous();
    let answer = parts(&anybody, "{ __typename }").send().await.unwrap();
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/graphql-response+json; charset=utf-8");
    assert_eq!(json(answer).await, json!({ "data": { "__typename": "Query" } }));
    fails(parts(&anybody, "subscription {"), 400, "GRAPHQL_PARSE_FAILED").await;
    // A refusal by the schema or a guard comes in a part: the stream had begun.
    for (query, code) in [(NOTICES, "UNAUTHENTICATED"), ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED")] {
        let mut open = Events::open(parts(&anybody, query), PARTS).await;
        assert_eq!(open.part().await.unwrap()["payload"]["errors"][0]["extensions"]["code"], code);
        assert_eq!(open.close_frame().await, "--\r\n");
    }
    // Another version, or another purpose, is not supported here.
    for accept in ["multipart/mixed;subscriptionSpec=2.0", "multipart/mixed;deferSpec=20220824", "multipart/mixed"] {
        fails(
            post(&app, json!({ "query": "{ __typename }" }).to_string()).header(ACCEPT, accept),
            406,
            "BAD_USER_INPUT",
        )
        .await;
    }
}

#[tokio::test]
async fn parts_end_with_the_session() {
    let (_stage, app, _, mut open) = watched(PARTS).await;
    app.clock.advance(Duration::from_secs(16 * 60));
    let last = open.part().await.unwrap();
    assert_eq!((&last["payload"], &last["errors"][0]["extensions"]["code"]), (&Value::Null, &json!("UNAUTHENTICATED")));
    assert_eq!(open.close_frame().await, "--\r\n");
}
