//! Whether the process lives (`/healthz`) and whether it should be sent work (`/readyz`).
//! Not here: what readiness means; whoever composes the service says so.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Tells whether the service can do its work; else why not, in words an operator may read without signing in.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The two routes.
pub fn routes<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> Router<S> {
    let ready = move || {
        let asked = readiness();
        async move {
            match asked.await {
                Ok(()) => answer(StatusCode::OK, json!({ "status": "ok" })),
                Err(reason) => {
                    answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "unavailable", "reason": reason }))
                }
            }
        }
    };
    Router::new()
        .route("/healthz", get(|| async { answer(StatusCode::OK, json!({ "status": "ok" })) }))
        .route("/readyz", get(ready))
}

fn answer(status: StatusCode, body: serde_json::Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
