//! GraphQL over HTTP at `/graphql`: POST with JSON, GET for queries, the status codes of the specification.
//! Not here: reading parameters and headers (`parameters`, `negotiate`), executing (`graphql::execute`), subscriptions.
//!
//! Against foreign pages: nothing here reads a cookie, a JSON body makes a browser ask first (and nobody answers), and
//! a GET runs queries only, and none that a browser says comes from a page of another site. Apollo's stricter rule, a
//! special header on each GET, would fail the specification's own audits; its headers are honoured as a way in.

use std::time::Duration;

use async_graphql::Request;
use async_graphql::parser::types::OperationType;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, body};
use futures_util::StreamExt;

use super::Edge;
use super::negotiate::{self, Media};
use super::parameters::{self, Credential};
use crate::access::Actor;
use crate::account::session::{Sessions, Unauthenticated};
use crate::graphql::budget::Peer;
use crate::graphql::execute::{Prepared, Reply};
use crate::graphql::fault::Fault;

/// What is taken as a body.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Its size; 256 KiB.
    pub bytes: usize,
    /// How long it may take to arrive; 10 s.
    pub within: Duration,
}

impl Default for Body {
    fn default() -> Self {
        Self { bytes: 256 * 1024, within: Duration::from_secs(10) }
    }
}

/// How much of a body that is too large is read and dropped, so that its sender gets to read why.
const DRAINED: usize = 16 * 1024 * 1024;

/// A request that fails before there is anything to execute.
struct Problem {
    reply: Reply,
    status: StatusCode,
    header: Option<(HeaderName, &'static str)>,
}

impl Problem {
    fn new(status: StatusCode, fault: Fault, message: &str) -> Self {
        Self { reply: Reply::refused(fault, message), status, header: None }
    }

    fn with(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

/// What a malformed request is told: the status of its fault whatever the media type.
impl From<Reply> for Problem {
    fn from(reply: Reply) -> Self {
        let status = status(reply.fault().unwrap_or(Fault::Internal));
        Self { reply, status, header: None }
    }
}

/// `POST /graphql`.
pub(super) async fn post(
    State(edge): State<Edge>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: body::Body,
) -> Response {
    let answer = async |media| {
        negotiate::json_body(&headers)
            .map_err(|message| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Fault::BadUserInput, message))?;
        let actor = identify(&edge.sessions, Credential::of(&headers)).await?;
        let body = read(body, &headers, edge.body).await?;
        let request = from(peer, parameters::from_body(&body)?);
        run(&edge, media, actor, request, |_| Ok(())).await
    };
    negotiated(&headers, answer).await
}

/// `GET /graphql?query=…`, for queries only.
pub(super) async fn get(
    State(edge): State<Edge>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    pairs: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let answer = async |media| {
        if is_foreign(&headers) {
            let message = "A page of another site may not ask this way: send a POST with JSON, or the header \
                           apollo-require-preflight.";
            return Err(Problem::new(StatusCode::FORBIDDEN, Fault::Forbidden, message));
        }
        let actor = identify(&edge.sessions, Credential::of(&headers)).await?;
        let pairs = pairs.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, Fault::BadUserInput, "The query string cannot be decoded.")
        })?;
        let request = from(peer, parameters::from_pairs(pairs.0)?);
        run(&edge, media, actor, request, |prepared| match prepared.kind() {
            OperationType::Mutation => {
                let message = "A GET runs queries only: send mutations as POST.";
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, Fault::BadUserInput, message);
                Err(problem.with(header::ALLOW, "POST"))
            }
            OperationType::Query | OperationType::Subscription => Ok(()),
        })
        .await
    };
    negotiated(&headers, answer).await
}

/// The request with where it comes from.
fn from(peer: Option<Extension<Peer>>, request: Request) -> Request {
    match peer {
        Some(Extension(peer)) => request.data(peer),
        None => request,
    }
}

/// Any other method.
pub(super) async fn other_method() -> Response {
    let message = "Use POST, or GET for queries.";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, Fault::BadUserInput, message);
    refuse(Media::Json, problem.with(header::ALLOW, "GET, HEAD, POST"))
}

/// Finds the media type of the answer first: even a refusal is told in it.
async fn negotiated(headers: &HeaderMap, answer: impl AsyncFnOnce(Media) -> Result<Response, Problem>) -> Response {
    let Some(media) = negotiate::response(headers) else {
        let message = "Accept application/json or application/graphql-response+json.";
        return refuse(Media::Json, Problem::new(StatusCode::NOT_ACCEPTABLE, Fault::BadUserInput, message));
    };
    answer(media).await.unwrap_or_else(|problem| refuse(media, problem))
}

async fn run(
    edge: &Edge,
    media: Media,
    actor: Actor,
    request: Request,
    allowed: impl FnOnce(&Prepared) -> Result<(), Problem>,
) -> Result<Response, Problem> {
    let prepared = match edge.engine.prepare(request) {
        Ok(prepared) => prepared,
        Err(reply) => return Ok(respond(media, &reply)),
    };
    allowed(&prepared)?;
    if prepared.kind() == OperationType::Subscription {
        let message = "Subscriptions run over WebSocket at /graphql/ws (graphql-transport-ws).";
        return Err(Problem::new(StatusCode::BAD_REQUEST, Fault::BadUserInput, message));
    }
    Ok(respond(media, &edge.engine.execute(actor, prepared).await))
}

/// Who is asking.
async fn identify(sessions: &Sessions, credential: Credential) -> Result<Actor, Problem> {
    let actor = match credential {
        Credential::None => sessions.identify(None).await,
        Credential::Bearer(token) => sessions.identify(Some(&token)).await,
        Credential::Broken => Err(Unauthenticated::Invalid),
    };
    actor.map_err(|refusal| match refusal {
        Unauthenticated::Invalid => {
            let message = "The access token is not valid: sign in again, or leave the Authorization header out.";
            Problem::new(StatusCode::UNAUTHORIZED, Fault::Unauthenticated, message)
                .with(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
        }
        Unauthenticated::Unavailable => {
            let message = "The session cannot be checked right now; try again.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Overloaded, message).with(header::RETRY_AFTER, "1")
        }
    })
}

/// Whether a browser says that this GET comes from a page of another site, and the page did not have to ask first.
/// Browsers add `Sec-Fetch-Site` themselves and let no page change it; other clients do not send it.
fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let preflighted =
        ["x-apollo-operation-name", "apollo-require-preflight"].iter().any(|name| headers.contains_key(*name))
            || headers.contains_key(header::AUTHORIZATION)
            || negotiate::json_body(headers).is_ok();
    matches!(site, Some(b"cross-site" | b"same-site")) && !preflighted
}

/// Reads a body up to its limits.
async fn read(body: body::Body, headers: &HeaderMap, limits: Body) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        let message = format!("The body is larger than {} bytes.", limits.bytes);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Fault::TooCostly, &message)
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > DRAINED) {
        return Err(too_large().with(header::CONNECTION, "close"));
    }
    let collect = async {
        let mut chunks = body.into_data_stream();
        let mut bytes = Vec::with_capacity(declared.unwrap_or(0).min(limits.bytes));
        let mut seen: usize = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk =
                chunk.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, Fault::BadUserInput, "The body broke off."))?;
            seen = seen.saturating_add(chunk.len());
            if seen > DRAINED {
                return Err(too_large().with(header::CONNECTION, "close"));
            }
            if seen > limits.bytes {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&chunk);
            }
        }
        if seen > limits.bytes { Err(too_large()) } else { Ok(bytes) }
    };
    tokio::time::timeout(limits.within, collect).await.unwrap_or_else(|_| {
        let message = format!("The body did not arrive within {} s.", limits.within.as_secs());
        let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, Fault::BadUserInput, &message);
        Err(problem.with(header::CONNECTION, "close"))
    })
}

fn status(fault: Fault) -> StatusCode {
    StatusCode::from_u16(fault.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The answer to a well-formed request. What was executed is 200, with errors or without. A document that was not
/// executed is 200 in `application/json`, as old clients expect, and has the status of its fault in the richer type.
fn respond(media: Media, reply: &Reply) -> Response {
    let about_the_document = |fault| {
        use Fault::{BadUserInput, GraphqlParseFailed, GraphqlValidationFailed, TooCostly};
        matches!(fault, GraphqlParseFailed | GraphqlValidationFailed | BadUserInput | TooCostly)
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

/// `Retry-After` in whole seconds: what the fault says, else one.
fn retry_after(reply: &Reply) -> HeaderValue {
    let extensions = reply.response.errors.first().and_then(|error| error.extensions.as_ref());
    let millis = match extensions.and_then(|extensions| extensions.get("retryAfterMs")) {
        Some(async_graphql::Value::Number(millis)) => millis.as_u64().unwrap_or(1_000),
        _ => 1_000,
    };
    HeaderValue::from(millis.div_ceil(1_000).max(1))
}

fn refuse(media: Media, problem: Problem) -> Response {
    let mut response = send(media, problem.status, &problem.reply);
    if let Some((name, value)) = problem.header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn send(media: Media, status: StatusCode, reply: &Reply) -> Response {
    match serde_json::to_vec(reply) {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, media.content_type()),
                // Answers depend on who asks.
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (status, headers, body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a response cannot be written as JSON");
            super::plain(StatusCode::INTERNAL_SERVER_ERROR, Fault::Internal, "Something went wrong on our side.")
        }
    }
}
