//! List of the demo's users for the GraphiQL page. It exists only in a demo and contains only public names.
//! Not here: signing them in; the page uses the public mutation like any other client.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::demo::seed::{PASSWORD, PEOPLE};

/// Route of the list, which is empty without a demo.
pub fn routes<S: Clone + Send + Sync + 'static>(shown: bool) -> Router<S> {
    Router::new().route("/graphiql/demo.json", get(move || async move { list(shown) }))
}

fn list(shown: bool) -> Response {
    let caching = [(header::CACHE_CONTROL, "no-store")];
    if !shown {
        return (caching, Json(json!({ "people": [] }))).into_response();
    }
    let people: Vec<Value> = PEOPLE
        .iter()
        .map(|person| {
            json!({ "email": person.email, "name": person.name, "role": person.role.word(), "hint": person.hint })
        })
        .collect();
    (caching, Json(json!({ "password": PASSWORD, "people": people }))).into_response()
}
