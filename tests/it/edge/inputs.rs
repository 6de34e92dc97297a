//! Values of the wrong type are refused before anything runs: literals as an error in the document, variables as an
//! error in the input.
//! Not here: refusals by the fields themselves (`faults`, the slices).

use serde_json::{Value, json};

use super::faults::refused;
use super::http::{json as json_of, post};
use crate::harness::Stage;

const WRONG: &str = "GRAPHQL_VALIDATION_FAILED";
const INPUT: &str = "BAD_USER_INPUT";

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let none = json!({});
    for (query, variables, code) in [
        // An enum's value has no quotes in a document; in JSON it is always a string.
        (r#"{ events(first: 1, sort: "STARTS_AT_ASC") { totalCount } }"#, &none, WRONG),
        (r#"{ myBookings(first: 1, status: "CONFIRMED") { totalCount } }"#, &none, WRONG),
        (r#"fragment F on Query { events(first: 1, sort: "STARTS_AT_ASC") { totalCount } } { ...F }"#, &none, WRONG),
        (r#"{ ... { events(first: 1, sort: "STARTS_AT_ASC") { totalCount } } }"#, &none, WRONG),
        (r#"query($s: EventSort = "STARTS_AT_ASC") { events(first: 1, sort: $s) { totalCount } }"#, &none, WRONG),
        ("{ events(first: -2147483649) { totalCount } }", &none, WRONG),
        (
            r#"mutation { setEventCapacity(input: { eventId: "x", capacity: 4294967296 }) { event { id } } }"#,
            &none,
            WRONG,
        ),
        ("query($n: Int = 4294967296) { events(first: $n) { totalCount } }", &none, WRONG),
        ("query($n: Int) { events(first: $n) { totalCount } }", &json!({ "n": 2_147_483_648_i64 }), INPUT),
        (
            "mutation($i: SetCapacityInput!) { setEventCapacity(input: $i) { event { id } } }",
            &json!({ "i": { "eventId": "x", "capacity": 4_294_967_296_i64 } }),
            INPUT,
        ),
        // An input object is an object.
        ("{ events(first: 1, filter: 7) { totalCount } }", &none, WRONG),
        (r#"mutation { signOut(input: "all") { ended } }"#, &none, WRONG),
        ("query($f: EventFilter) { events(first: 1, filter: $f) { totalCount } }", &json!({ "f": "rust" }), INPUT),
        ("query($f: EventFilter = 7) { events(first: 1, filter: $f) { totalCount } }", &none, WRONG),
        // A wrong value beside a variable that was left out.
        (r#"query($n: Int) { events(first: $n, filter: { nothing: $n }) { totalCount } }"#, &none, WRONG),
        ("query($n: Int) { events(first: 1, nothing: $n) { totalCount } }", &none, WRONG),
        ("{ events(first: 18446744073709551615) { totalCount } }", &none, WRONG),
        // A default of null is explicit.
        ("query($s: EventSort = null) { events(first: 1, sort: $s) { totalCount } }", &none, WRONG),
        // A variable of an unknown type.
        ("query($x: [Nope] = [1]) { __typename }", &none, WRONG),
        ("query($x: [Nope!]! = 7) { __typename }", &none, WRONG),
        ("query($x: [Event] = [7]) { __typename }", &none, WRONG),
        // A field given twice, with a byte order mark as space too.
        ("{ events(first: 1, filter: { text\u{feff}: \"a\", text: \"b\" }) { totalCount } }", &none, WRONG),
        (r#"{ events(first: 1, filter: { text: "a", text: "b" }) { totalCount } }"#, &none, WRONG),
        (
            r#"query($f: EventFilter = { text: "a", hasTickets: true, text: "a" }) { events(first: 1, filter: $f) { totalCount } }"#,
            &none,
            WRONG,
        ),
    ] {
        let message = refused(&app, query, variables.clone(), code).await;
        // A row with an unknown field would prove nothing of its values.
        assert!(!message.contains("Unknown field"), "{query}: {message}");
    }
}

#[tokio::test]
async fn scalars_say_their_format() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let input = json!({
        "title": "Rust Nation", "venue": "Hall A", "timeZone": "Europe/Berlin", "capacity": 5,
        "startsAt": "2026-02-01T19:00:00+01:00", "endsAt": "2026-02-01T22:00:00+01:00",
    });
    for (field, value, format) in [
        ("startsAt", json!("tomorrow at 8"), "RFC 3339"),
        ("startsAt", json!("2026-02-01T19:00"), "2026-12-24T19:30:00+01:00"),
        ("price", json!(15.5), "\"12.50\""),
        ("currency", json!("euro"), "ISO 4217"),
    ] {
        let mut input = input.clone();
        input[field] = value;
        let answer = organizer.mutate("createEvent", input, "event { id }").await;
        assert_eq!(answer.fault(), INPUT, "{}", answer.body);
        let message = answer.body["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(field) && message.contains(format), "{message}");
    }
    let literal = r#"{ events(first: 1, filter: { from: "monday" }) { totalCount } }"#;
    let answer = organizer.ask(literal, json!({})).await;
    assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains("RFC 3339"), "{}", answer.body);
}

#[tokio::test]
async fn what_fits_is_not() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let anybody = app.anonymous();
    for (query, variables) in [
        ("{ events(first: 1, sort: STARTS_AT_ASC) { totalCount } }", json!({})),
        ("query($s: EventSort) { events(first: 1, sort: $s) { totalCount } }", json!({ "s": "STARTS_AT_ASC" })),
        ("query($s: EventSort = STARTS_AT_ASC) { events(first: 1, sort: $s) { totalCount } }", json!({})),
        // Left out, the variable is as if the argument were absent.
        ("query($s: EventSort) { events(first: 1, sort: $s) { totalCount } }", json!({})),
        // Given once in each of several objects, or in a string or a comment.
        (
            r#"{ a: events(first: 1, filter: { text: "text: text:", hasTickets: true }) { totalCount }
                 b: events(first: 1, filter: { text: """ { text: 1, text: 2 } """ }) { totalCount } # { text: text: }
               }"#,
            json!({}),
        ),
        (
            "query($t: String) { events(first: 1, filter: { text: $t hasTickets: true }) { totalCount } }",
            json!({ "t": "a" }),
        ),
        // A single value stands for a list of one.
        ("query($id: ID!) { nodes(ids: [$id]) { id } }", json!({ "id": "x" })),
    ] {
        let answer = anybody.ask(query, variables).await;
        let is_refused = answer.body["data"] == Value::Null;
        assert!(!is_refused, "{query}: {}", answer.body);
    }
}

/// The first of two mutations is not run if the value of the second one is invalid.
#[apply(scene!)]
async fn nothing_runs_beside_what_does_not_fit(stage: Stage) {
    let app = stage.app().await;
    let (organizer, grace) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let two = |second: &str| {
        format!(
        "mutation($id: ID!, $n: Int) {{
            a: createBooking(input: {{ eventId: $id, quantity: 1, fulfilment: ALL_OR_NOTHING }}) {{ booking {{ id }} }}
            b: createBooking(input: {{ eventId: $id, quantity: {second}, fulfilment: ALL_OR_NOTHING }}) {{ booking {{ id }} }} }}"
    )
    };
    for (second, n) in [("2147483648", json!(1)), ("$n", json!(2_147_483_648_i64)), ("1, quantity: 1", json!(1))] {
        let answer = grace.ask(&two(second), json!({ "id": event, "n": n })).await;
        assert!(answer.body.get("data").is_none(), "{second}: {}", answer.body);
    }
    // Also if something was left out beside it.
    for second in
        ["fulfilment: SOMETIMES, quantity: $m", "quantity: $m, idempotencyKy: \"k\"", "fulfilment: null, quantity: $m"]
    {
        let query = format!(
            "mutation($id: ID!, $m: Int = 1) {{
                a: createBooking(input: {{ eventId: $id, quantity: 1 }}) {{ booking {{ id }} }}
                b: createBooking(input: {{ eventId: $id, {second} }}) {{ booking {{ id }} }} }}"
        );
        let answer = grace.ask(&query, json!({ "id": event })).await;
        assert!(answer.body.get("data").is_none(), "{second}: {}", answer.body);
    }
    assert_eq!(app.number("SELECT count(*) AS n FROM booking", []).await, 0);
    grace.ask(&two("$n"), json!({ "id": event, "n": 1 })).await.ok();
    assert_eq!(app.number("SELECT count(*) AS n FROM booking", []).await, 2);
}

/// An argument or a field with an omitted variable counts as not given: its default applies, and the stored value
/// stays.
#[apply(scene!)]
async fn what_was_left_out_is_not_null(stage: Stage) {
    let app = stage.app().await;
    let (organizer, grace) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let book = "mutation($id: ID!, $f: Fulfilment, $key: String) {
        createBooking(input: { eventId: $id, quantity: 2, fulfilment: $f, idempotencyKey: $key }) { booked userErrors { code } } }";
    let answer = grace.ask(book, json!({ "id": event })).await.ok();
    assert_eq!(answer.at("createBooking.booked"), &json!(2), "{}", answer.body);
    let update = "mutation($id: ID!, $title: String, $venue: String) {
        updateEvent(input: { eventId: $id, title: $title, venue: $venue }) { event { title venue } userErrors { code path } } }";
    let before = organizer.ask("query($id: ID!) { event(id: $id) { venue } }", json!({ "id": event })).await.ok();
    let answer = organizer.ask(update, json!({ "id": event, "title": "Another" })).await.ok();
    assert_eq!(
        answer.at("updateEvent.event"),
        &json!({ "title": "Another", "venue": before.at("event.venue") }),
        "{}",
        answer.body
    );
    // Through a fragment, beside another operation; null where it cannot be left out.
    let two = "query A($s: EventSort) { ...F } query B($s: EventSort) { ...F }
        fragment F on Query { events(first: 1, sort: $s) { totalCount } }";
    let body = json!({ "query": two, "operationName": "A" }).to_string();
    assert_eq!(json_of(post(&app, body).send().await.unwrap()).await["data"]["events"]["totalCount"], 1);
    let list = grace.ask("query($id: ID) { nodes(ids: [$id]) { id } }", json!({})).await;
    assert_eq!(list.fault(), WRONG, "{}", list.body);
    // A declared variable must still be used, and a required one must be given.
    let unused = grace.ask("query($s: EventSort) { events(first: 1) { totalCount } }", json!({})).await;
    assert_eq!(unused.fault(), WRONG, "{}", unused.body);
    let missing = "mutation($id: ID) { createBooking(input: { eventId: $id, quantity: 1 }) { booked } }";
    assert_eq!(grace.ask(missing, json!({})).await.fault(), WRONG);
}
