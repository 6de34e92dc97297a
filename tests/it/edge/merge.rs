//! Fields with one response name must be mergeable: of one type everywhere, and the same field where one object has
//! both.
//! Not here: how answers are assembled (`shape`).

use serde_json::{Value, json};

use super::http::{ask, fails, succeeds};
use crate::harness::Stage;

const NODE: &str = "{ node(id: \"x\") { FIELDS } }";

#[tokio::test]
async fn fields_that_conflict_are_refused() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for (fields, word) in [
        // Different shapes on types that no object has at once.
        ("... on Event { a: title } ... on Booking { a: quantity }", "String! and Int!"),
        ("... on Event { a: title } ... on Event { a: publishedAt }", "String! and DateTime"),
        ("... on Event { a: title } ... on Booking { a: event { id } }", "String! and Event"),
        ("... on Event { a: slots { id } } ... on Booking { a: slot { id } }", "[Slot!]! and Slot"),
        // Deeper, and through fragments.
        ("... on Event { a: organizer { b: id } } ... on Booking { a: event { b: title } }", "ID! and String!"),
        (
            "...E ...B } } fragment E on Event { a: title } fragment B on Booking { a: quantity } query Other { node(id: \"x\") { id",
            "String! and Int!",
        ),
        // Different fields, or arguments, in sets that are merged.
        ("... on Event { organizer { a: id } organizer { a: name } }", "ID! and String!"),
        ("... on Event { organizer { a: id } } ... on Event { organizer { a: __typename } }", "different fields"),
        ("... on Event { availability { a: sold } availability { a: held } }", "different fields"),
        ("... on Event { a: title } ... on Event { a: venue }", "different fields"),
        (
            "... on Event { bookings(first: 1) { pageInfo { hasNextPage } } } ... on Event { bookings(first: 2) { pageInfo { hasNextPage } } }",
            "arguments",
        ),
        ("a: id ... on Event { a: slug }", "ID! and String!"),
    ] {
        let document = NODE.replace("FIELDS", fields);
        let request = match document.contains("query Other") {
            true => super::http::post(
                &app,
                json!({ "query": document.replacen('{', "query Q {", 1), "operationName": "Q" }).to_string(),
            ),
            false => ask(&app, &document),
        };
        let message = fails(request, 200, "GRAPHQL_VALIDATION_FAILED").await;
        assert!(message.contains(word), "{fields}: {message}");
    }
}

#[tokio::test]
async fn fields_that_agree_are_not() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    for fields in [
        "id ... on Event { id title } ... on Event { title }",
        "... on Event { a: title } ... on Organizer { a: name }",
        "... on Event { a: organizer { id name } } ... on Booking { a: event { id title } }",
        "... on Event { availability { sold } availability { held sold } }",
        "... on Event { a: startsAt } ... on Booking { a: createdAt }",
        "... on Event { a: slug } ... on Organizer { a: name }",
    ] {
        let id = "T3JnYW5pemVyOjAwMDAwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMA";
        let answer =
            ask(&app, &NODE.replace("FIELDS", fields).replace("\"x\"", &format!("\"{id}\""))).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_ne!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{fields}: {answer}");
    }
    let twice = "{ events(first: 1) { nodes { id } } events(first: 1) { nodes { title } totalCount } }";
    succeeds(ask(&app, twice)).await;
}
