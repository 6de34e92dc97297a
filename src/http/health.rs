//! Whether the process lives (`/healthz`) and whether it should be sent work (`/readyz`).
//! Not here: what readiness means; whoever composes the service says so.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Why the service cannot do its work, in words that may be read without signing in.
pub struct NotReady {
    /// One per cause.
    pub code: &'static str,
    /// The same for people.
    pub reason: String,
}

/// Tells whether the service can do its work. Asked for each request; answers at once, or within a second.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), NotReady>> + Send + Sync>;

/// The two routes.
pub fn routes<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> Router<S> {
    let ready = move || {
        let asked = readiness();
        async move {
            match asked.await {
                Ok(()) => answer(StatusCode::OK, json!({ "status": "ok" })),
                Err(NotReady { code, reason }) => {
                    let body = json!({ "status": "unavailable", "code": code, "reason": reason });
                    answer(StatusCode::SERVICE_UNAVAILABLE, body)
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
