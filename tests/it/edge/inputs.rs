//! Values that are not of their type are refused before anything runs: as literals the document is wrong, as variables the
//! input is.
//! Not here: what the fields themselves refuse (`faults`, the slices).

use serde_json::{Value, json};

use super::faults::refused;
use crate::harness::Stage;

const WRONG: &str = "GRAPHQL_VALIDATION_FAILED";
const INPUT: &str = "BAD_USER_INPUT";

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    let none = json!({});
    for (query, variables, code) in [
        // An enum's value has no quotes in a document; in JSON it can have nothing else.
        (r#"{ events(first: 1, sort: "STARTS_AT_ASC") { totalCount } }"#, &none, WRONG),
        (r#"{ myBookings(first: 1, status: "CONFIRMED") { totalCount } }"#, &none, WRONG),
        (r#"fragment F on Query { events(first: 1, sort: "STARTS_AT_ASC") { totalCount } } { ...F }"#, &none, WRONG),
        (r#"{ ... { events(first: 1, sort: "STARTS_AT_ASC") { totalCount } } }"#, &none, WRONG),
        (r#"query($s: EventSort = "STARTS_AT_ASC") { events(first: 1, sort: $s) { totalCount } }"#, &none, WRONG),
        ("{ events(first: -2147483649) { totalCount } }", &none, WRONG),
        (r#"mutation { setCapacity(input: { eventId: "x", capacity: 4294967296 }) { event { id } } }"#, &none, WRONG),
        ("query($n: Int = 4294967296) { events(first: $n) { totalCount } }", &none, WRONG),
        ("query($n: Int) { events(first: $n) { totalCount } }", &json!({ "n": 2_147_483_648_i64 }), INPUT),
        (
            "mutation($i: SetCapacityInput!) { setCapacity(input: $i) { event { id } } }",
            &json!({ "i": { "eventId": "x", "capacity": 4_294_967_296_i64 } }),
            INPUT,
        ),
        // An input object is an object.
        ("{ events(first: 1, filter: 7) { totalCount } }", &none, WRONG),
        (r#"mutation { signOut(input: "all") { ended } }"#, &none, WRONG),
        ("query($f: EventFilter) { events(first: 1, filter: $f) { totalCount } }", &json!({ "f": "rust" }), INPUT),
        ("query($f: EventFilter = 7) { events(first: 1, filter: $f) { totalCount } }", &none, WRONG),
        // Said twice.
        (r#"{ events(first: 1, filter: { text: "a", text: "b" }) { totalCount } }"#, &none, WRONG),
        (
            r#"query($f: EventFilter = { text: "a", hasPlaces: true, text: "a" }) { events(first: 1, filter: $f) { totalCount } }"#,
            &none,
            WRONG,
        ),
    ] {
        refused(&app, query, variables.clone(), code).await;
    }
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
        // Said once in each of several objects, or in a text or remark.
        (
            r#"{ a: events(first: 1, filter: { text: "text: text:", hasPlaces: true }) { totalCount }
                 b: events(first: 1, filter: { text: """ { text: 1, text: 2 } """ }) { totalCount } # { text: text: }
               }"#,
            json!({}),
        ),
        (
            "query($t: String) { events(first: 1, filter: { text: $t hasPlaces: true }) { totalCount } }",
            json!({ "t": "a" }),
        ),
        // One stands for a list of one.
        ("query($id: ID!) { nodes(ids: [$id]) { id } }", json!({ "id": "x" })),
    ] {
        let answer = anybody.ask(query, variables).await;
        let is_refused = answer.body["data"] == Value::Null;
        assert!(!is_refused, "{query}: {}", answer.body);
    }
}

scene! {
    /// The first of two mutations is not run when the second one's value is of no use.
    async fn nothing_runs_beside_what_does_not_fit(stage: Stage) {
        let app = stage.app().await;
        let (organizer, grace) = (app.organizer().await, app.customer().await);
        let event = organizer.event(9).await;
        let two = |second: &str| format!(
            "mutation($id: ID!, $n: Int) {{
                a: createBooking(input: {{ eventId: $id, quantity: 1, fulfilment: ALL_OR_NOTHING }}) {{ booking {{ id }} }}
                b: createBooking(input: {{ eventId: $id, quantity: {second}, fulfilment: ALL_OR_NOTHING }}) {{ booking {{ id }} }} }}"
        );
        for (second, n) in [("2147483648", 1), ("$n", 2_147_483_648_i64), ("1, quantity: 1", 1)] {
            let answer = grace.ask(&two(second), json!({ "id": event, "n": n })).await;
            assert!(answer.body.get("data").is_none(), "{second}: {}", answer.body);
        }
        assert_eq!(app.number("SELECT count(*) AS n FROM booking", []).await, 0);
        grace.ask(&two("$n"), json!({ "id": event, "n": 1 })).await.ok();
        assert_eq!(app.number("SELECT count(*) AS n FROM booking", []).await, 2);
    }
}
