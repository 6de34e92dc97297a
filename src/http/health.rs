//! Liveness (`/healthz`) and readiness (`/readyz`) of the process.
//! Not here: the conditions of readiness, which `app` composes.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde_json::json;

/// Reason why the service is not ready, in words that are safe to show without a sign-in.
pub struct NotReady {
    /// Code of the cause.
    pub code: &'static str,
    /// Description of the cause.
    pub reason: String,
}

/// Check of the service's readiness. It runs for each request and answers at once, or within a second.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), NotReady>> + Send + Sync>;

/// Routes of liveness and readiness.
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
