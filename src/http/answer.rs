//! HTTP answers: the status of a reply in each media type, and the answer to a request that fails before execution.
//! Not here: the execution (`graphql`), and streams (`stream`).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use serde::Serialize;

use super::negotiate::Media;
use crate::engine::fault::Fault;
use crate::engine::response::GraphqlResponse;

/// Request that fails before there is anything to execute.
pub(super) struct Problem {
    pub reply: GraphqlResponse,
    status: StatusCode,
    header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    pub fn new(status: StatusCode, fault: Fault, message: &str) -> Self {
        Self { reply: GraphqlResponse::refused(fault, message), status, header: None }
    }

    pub fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

/// Gives a malformed request the status of its fault in every media type.
impl From<GraphqlResponse> for Problem {
    fn from(reply: GraphqlResponse) -> Self {
        let status = status(reply.fault().unwrap_or(Fault::Internal));
        Self { reply, status, header: None }
    }
}

fn status(fault: Fault) -> StatusCode {
    StatusCode::from_u16(fault.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Answer to a well-formed request. An executed operation is 200, with errors or without. A document that was not
/// executed is 200 in `application/json`, as old clients expect, and has the status of its fault in
/// `application/graphql-response+json`.
pub(super) fn respond(media: Media, reply: &GraphqlResponse) -> Response {
    let about_the_document = |fault| {
        use Fault::{BadUserInput, GraphqlParseFailed, GraphqlValidationFailed, PersistedQueryNotFound, TooCostly};
        matches!(
            fault,
            GraphqlParseFailed | GraphqlValidationFailed | BadUserInput | TooCostly | PersistedQueryNotFound
        )
    };
    let status = match reply.fault() {
        None => StatusCode::OK,
        Some(_) if reply.executed => StatusCode::OK,
        Some(fault) if media == Media::Json && about_the_document(fault) => StatusCode::OK,
        Some(fault) => status(fault),
    };
    let mut response = send(media, status, reply);
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after(reply));
    }
    for (name, value) in &reply.response.http_headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

/// Answer to a read of the catalog by a viewer without an account. Caches may keep it for a second, during which
/// tickets may be sold. It contains nothing about the viewer, such as the points left.
pub(super) fn respond_to_all(media: Media, mut reply: GraphqlResponse) -> Response {
    reply.response.extensions.remove("cost");
    let mut response = respond(media, &reply);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, authorization"));
    response
}

/// Answers to a batch, in its order. `Retry-After` is that of the refused request with the longest wait.
pub(super) fn respond_each(media: Media, replies: &[GraphqlResponse]) -> Response {
    let mut response = send(media, StatusCode::OK, &replies);
    let may_come_again =
        |reply: &&GraphqlResponse| matches!(reply.fault(), Some(Fault::RateLimited | Fault::Overloaded));
    let refused = replies.iter().filter(|reply| !reply.executed).filter(may_come_again);
    if let Some(seconds) = refused.map(wait_of).max() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn retry_after(reply: &GraphqlResponse) -> HeaderValue {
    HeaderValue::from(wait_of(reply))
}

/// Returns the value of `Retry-After` in whole seconds: that of the fault, else one.
fn wait_of(reply: &GraphqlResponse) -> u64 {
    let extensions = reply.response.errors.first().and_then(|error| error.extensions.as_ref());
    let millis = match extensions.and_then(|extensions| extensions.get("retryAfterMs")) {
        Some(async_graphql::Value::Number(millis)) => millis.as_u64().unwrap_or(1_000),
        _ => 1_000,
    };
    millis.div_ceil(1_000).max(1)
}

pub(super) fn refuse(media: Media, problem: Problem) -> Response {
    let mut response = send(media, problem.status, &problem.reply);
    if problem.status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after(&problem.reply));
    }
    if let Some((name, value)) = problem.header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn send(media: Media, status: StatusCode, reply: &impl Serialize) -> Response {
    match serde_json::to_vec(reply) {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, media.content_type()),
                // Answers depend on the viewer.
                (header::CACHE_CONTROL, "no-store"),
            ];
            (status, headers, body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a response cannot be written as JSON");
            super::plain(StatusCode::INTERNAL_SERVER_ERROR, Fault::Internal, "Something went wrong on our side.")
        }
    }
}
