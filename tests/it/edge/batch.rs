//! Batches of requests in one array: off by default, bounded, in order.
//! Not here: one request at a time (`http`).

use boxoffice::engine::budget;
use boxoffice::engine::document::sha256;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::http::{RICH, fails, json, post};
use crate::harness::{Actor, Stage, TestApp};

async fn server(max: usize) -> (Stage, TestApp) {
    let stage = Stage::sqlite();
    let app = stage.app_with(|options| options.batch_max = max).await;
    (stage, app)
}

fn send(person: &Actor, batch: Value) -> RequestBuilder {
    let request = post(&person.app, batch.to_string());
    person.token.iter().fold(request, |request, token| request.bearer_auth(token))
}

#[tokio::test]
async fn none_is_taken_unless_switched_on() {
    let (_stage, app) = server(0).await;
    let message = fails(post(&app, json!([{ "query": "{ __typename }" }]).to_string()), 400, "BAD_USER_INPUT").await;
    assert!(message.contains("one request at a time"), "{message}");
    fails(post(&app, "[]"), 400, "BAD_USER_INPUT").await;
}

#[tokio::test]
async fn each_request_has_its_answer_in_order() {
    let (_stage, app) = server(5).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(3).await;
    let book = |quantity: i64| {
        let query =
            "mutation($input: CreateBookingInput!) { createBooking(input: $input) { booked userErrors { code } } }";
        json!({ "query": query, "variables": { "input": { "eventId": event, "quantity": quantity, "fulfilment": "ALL_OR_NOTHING" } } })
    };
    let batch = json!([book(2), { "query": "{ viewer { role } }" }, book(2), { "query": "{" }, book(1)]);
    let response = send(&customer, batch).header("accept", RICH).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answers = json(response).await;
    assert_eq!(answers[0]["data"]["createBooking"]["booked"], 2);
    assert_eq!(answers[1]["data"], json!({ "viewer": { "role": "CUSTOMER" } }));
    assert_eq!(answers[2]["data"]["createBooking"]["userErrors"][0]["code"], "NOT_ENOUGH_TICKETS", "{answers}");
    assert_eq!(answers[3]["errors"][0]["extensions"]["code"], "GRAPHQL_PARSE_FAILED");
    assert_eq!(answers[4]["data"]["createBooking"]["booked"], 1);
    assert_eq!(app.sold(&event).await, 3);
}

#[tokio::test]
async fn a_batch_is_bounded_and_each_request_counts() {
    let (_stage, app) = server(2).await;
    let anybody = app.anonymous();
    let hello = json!({ "query": "{ __typename }" });
    fails(send(&anybody, json!([hello, hello, hello])), 400, "TOO_COSTLY").await;
    fails(send(&anybody, json!([])), 400, "BAD_USER_INPUT").await;
    fails(send(&anybody, json!([hello])).header("accept", "text/event-stream"), 400, "BAD_USER_INPUT").await;
    let subscription = json!({ "query": "subscription { noticeReceived { cursor } }" });
    let unknown = json!({ "documentId": sha256("{ viewer { id } }") });
    let answers = json(send(&anybody, json!([1, unknown])).send().await.unwrap()).await;
    assert_eq!(answers[0]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
    let answers = json(send(&anybody, json!([subscription, hello])).send().await.unwrap()).await;
    assert_eq!(answers[0]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answers}");
    assert_eq!(answers[1]["data"], json!({ "__typename": "Query" }));
    // A bucket for one is empty at the second.
    let stage = Stage::sqlite();
    let app = stage
        .app_with(|options| {
            options.batch_max = 2;
            let settings = budget::Settings::default();
            options.budget = Some(budget::Settings { points: std::num::NonZeroU32::new(10).unwrap(), ..settings });
        })
        .await;
    let dear = json!({ "query": "{ events(first: 30) { nodes { id title } } }" });
    let response = send(&app.anonymous(), json!([dear, dear])).send().await.unwrap();
    let seconds = response.headers().get("retry-after").map(|seconds| seconds.to_str().unwrap().to_owned());
    let answers = json(response).await;
    let told =
        answers[1]["errors"][0]["extensions"]["retryAfterMs"].as_u64().map(|millis| millis.div_ceil(1_000).to_string());
    assert!(told.is_some() && seconds == told, "{seconds:?}: {answers}");
    assert!(answers[0]["data"]["events"].is_object(), "{answers}");
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "RATE_LIMITED", "{answers}");
}
