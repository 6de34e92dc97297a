//! GraphQL over HTTP at `/graphql` and `/graphql/stream`: POST with JSON, GET for queries and subscriptions, with the
//! status codes of the specification.
//! Not here: reading parameters and headers (`parameters`, `negotiate`, `body`), execution (`engine::execute`), the
//! wording of an answer (`answer`), and streams of results (`stream`).
//!
//! Protection from foreign pages: nothing here reads a cookie, a JSON body makes a browser send a preflight request
//! first (`cors` answers it), and a GET changes nothing and is refused when a browser reports that it comes from a page
//! of another site. Apollo's stricter rule, a special header on each GET, would fail the specification's own audits;
//! its headers are accepted as proof of a preflight.

use std::convert::Infallible;

use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::answer::{self, Problem};
use super::cors::Origins;
use super::negotiate::{self, Framing, Media};
use super::parameters::{self, Asked, Credential};
use super::{HttpState, body, sse, stream};
use crate::access::{Actor, Peer};
use crate::account::session::Unauthenticated;
use crate::engine::document::Params;
use crate::engine::execute::RequestId;
use crate::engine::fault::Fault;
use crate::engine::response::GraphqlResponse;

type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// Address and id of a request.
pub(super) struct Sender {
    peer: Option<Peer>,
    id: Option<RequestId>,
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { peer: parts.extensions.get().copied(), id: parts.extensions.get().cloned() })
    }
}

impl Sender {
    fn sign(&self, ask: Params) -> Params {
        let ask = ask.sent_from(self.peer);
        match self.id.clone() {
            Some(id) => Params { request: ask.request.data(id), ..ask },
            None => ask,
        }
    }
}

/// Handles `POST /graphql`.
pub(super) async fn post(State(edge): State<HttpState>, sender: Sender, headers: HeaderMap, body: Body) -> Response {
    negotiated(Takes::at_graphql(&headers), async |takes| take_body(&edge, takes, sender, &headers, body).await).await
}

/// Handles `POST /graphql/stream`.
pub(super) async fn post_stream(
    State(edge): State<HttpState>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Response {
    negotiated(Takes::at_stream(&headers), async |takes| take_body(&edge, takes, sender, &headers, body).await).await
}

/// Handles `GET /graphql?query=…`.
pub(super) async fn get(State(edge): State<HttpState>, sender: Sender, headers: HeaderMap, pairs: Pairs) -> Response {
    negotiated(Takes::at_graphql(&headers), async |takes| take_pairs(&edge, takes, sender, &headers, pairs).await).await
}

/// Handles `GET /graphql/stream?query=…`.
pub(super) async fn get_stream(
    State(edge): State<HttpState>,
    sender: Sender,
    headers: HeaderMap,
    pairs: Pairs,
) -> Response {
    negotiated(Takes::at_stream(&headers), async |takes| take_pairs(&edge, takes, sender, &headers, pairs).await).await
}

/// Refuses any other method.
pub(super) async fn other_method() -> Response {
    let message = "Use POST, or GET for queries and subscriptions.";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, Fault::BadUserInput, message);
    answer::refuse(Media::Json, problem.with(header::ALLOW, "GET, HEAD, POST"))
}

/// Answers that a client accepts: one result, a stream of results, or either.
#[derive(Clone, Copy)]
struct Takes {
    one: Option<Media>,
    many: Option<Framing>,
}

impl Takes {
    fn at_graphql(headers: &HeaderMap) -> Result<Self, Problem> {
        let takes = Self { one: negotiate::response(headers), many: negotiate::framing(headers) };
        if takes.one.is_none() && takes.many.is_none() {
            let message = "Accept application/json or application/graphql-response+json.";
            return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, Fault::BadUserInput, message));
        }
        Ok(takes)
    }

    fn at_stream(headers: &HeaderMap) -> Result<Self, Problem> {
        if !negotiate::takes_events(headers) {
            let message = "This address answers with events: accept text/event-stream.";
            return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, Fault::BadUserInput, message));
        }
        Ok(Self { one: None, many: Some(Framing::Events) })
    }

    /// Returns the media type of one answer, and of a refusal in any case.
    fn media(self) -> Media {
        self.one.unwrap_or(Media::Json)
    }
}

/// Determines the media type before anything else, because a refusal uses it, too.
async fn negotiated(
    takes: Result<Takes, Problem>,
    answer: impl AsyncFnOnce(Takes) -> Result<Response, Problem>,
) -> Response {
    match takes {
        Ok(takes) => answer(takes).await.unwrap_or_else(|problem| answer::refuse(takes.media(), problem)),
        Err(problem) => answer::refuse(Media::Json, problem),
    }
}

async fn take_body(
    edge: &HttpState,
    takes: Takes,
    sender: Sender,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let asks_for_it = async {
        negotiate::json_body(headers)
            .map_err(|message| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Fault::BadUserInput, message))?;
        Ok::<_, Problem>((identify(edge, sender.peer, Credential::of(headers)).await?, sse::last_event(headers)?))
    };
    let (actor, after) = match asks_for_it.await {
        Ok(known) => known,
        Err(problem) => {
            // A client that is still sending would see a connection reset instead of the refusal.
            let _ = body::read(body, headers, edge.body).await;
            return Err(problem);
        }
    };
    let body = body::read(body, headers, edge.body).await?;
    let call = Call { edge, takes, actor, sender: &sender, is_get: false };
    match parameters::from_body(&body)? {
        Asked::One(ask) => call.answer(ask.after(after)).await,
        Asked::Batch(asks) => call.answer_all(asks).await,
    }
}

async fn take_pairs(
    edge: &HttpState,
    takes: Takes,
    sender: Sender,
    headers: &HeaderMap,
    pairs: Pairs,
) -> Result<Response, Problem> {
    if is_foreign(headers, &edge.origins) {
        let message = "A page of another site may not send this request: send a POST with JSON, or the header \
                       apollo-require-preflight.";
        return Err(Problem::new(StatusCode::FORBIDDEN, Fault::Forbidden, message));
    }
    let actor = identify(edge, sender.peer, Credential::of(headers)).await?;
    let after = sse::last_event(headers)?;
    let pairs = pairs.map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, Fault::BadUserInput, "The query string cannot be decoded.")
    })?;
    let ask = parameters::from_pairs(pairs.0)?.after(after);
    let call = Call { edge, takes, actor, sender: &sender, is_get: true };
    call.answer(ask).await
}

/// Request of an identified viewer.
#[derive(Clone, Copy)]
struct Call<'a> {
    edge: &'a HttpState,
    takes: Takes,
    actor: Actor,
    sender: &'a Sender,
    is_get: bool,
}

impl Call<'_> {
    async fn answer(self, ask: Params) -> Result<Response, Problem> {
        let Self { edge, takes, actor, .. } = self;
        let prepared = edge.engine.prepare(self.sender.sign(ask));
        let kind = prepared.as_ref().ok().map(|prepared| prepared.kind());
        if self.is_get && kind == Some(OperationType::Mutation) {
            let message = "A GET changes nothing: send mutations as POST.";
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, Fault::BadUserInput, message);
            return Err(problem.with(header::ALLOW, "POST"));
        }
        let streams = kind == Some(OperationType::Subscription);
        match (takes.many, prepared) {
            (Some(framing), prepared) if streams || takes.one.is_none() => {
                stream::respond(edge, actor, prepared, framing)
            }
            (None, _) if streams => {
                let message = "Subscriptions run over WebSocket at /graphql/ws (graphql-transport-ws), or as events at \
                               /graphql/stream (Accept: text/event-stream).";
                Err(Problem::new(StatusCode::BAD_REQUEST, Fault::BadUserInput, message))
            }
            (_, Err(reply)) => Ok(answer::respond(takes.media(), &reply)),
            (_, Ok(prepared)) => {
                let public = self.is_get && actor == Actor::Anonymous && prepared.is_public();
                let reply = edge.engine.execute(actor, prepared).await;
                Ok(match public && reply.is_whole() {
                    true => answer::respond_to_all(takes.media(), reply),
                    false => answer::respond(takes.media(), &reply),
                })
            }
        }
    }

    /// Answers several requests of one array. Each counts for itself, and they run one after the other, in their order.
    async fn answer_all(self, asks: Vec<Result<Params, GraphqlResponse>>) -> Result<Response, Problem> {
        let max = self.edge.batch_max;
        let refused = |fault, message: &str| Err(GraphqlResponse::refused(fault, message).into());
        if max == 0 {
            return refused(
                Fault::BadUserInput,
                "Batches are not accepted: send one request at a time, as a JSON object.",
            );
        }
        let Some(media) = self.takes.one else {
            return refused(Fault::BadUserInput, "A batch has a single answer: accept application/json.");
        };
        if asks.is_empty() {
            return refused(Fault::BadUserInput, "The batch is empty.");
        }
        if asks.len() > max {
            return refused(Fault::TooCostly, &format!("A batch holds at most {max} requests."));
        }
        let mut replies = Vec::with_capacity(asks.len());
        for ask in asks {
            replies.push(match ask.and_then(|ask| self.edge.engine.prepare(self.sender.sign(ask))) {
                Ok(prepared) => self.edge.engine.execute(self.actor, prepared).await,
                Err(reply) => reply,
            });
        }
        Ok(answer::respond_each(media, &replies))
    }
}

/// Identifies the viewer of a request.
async fn identify(edge: &HttpState, peer: Option<Peer>, credential: Credential) -> Result<Actor, Problem> {
    let sessions = &edge.sessions;
    if let Credential::Bearer(token) = &credential
        && sessions.is_unknown(token)
    {
        edge.engine.charge_look_up(peer)?;
    }
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

/// Returns true if a browser reports that this GET comes from a page of another site that is not on the list and sent
/// no preflight request.
///
/// Browsers add `Sec-Fetch-Site` themselves and let no page change it; other clients do not send it.
fn is_foreign(headers: &HeaderMap, allowed: &Origins) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let preflighted = ["x-apollo-operation-name", "apollo-require-preflight", "graphql-require-preflight"]
        .iter()
        .any(|name| headers.contains_key(*name))
        || headers.contains_key(header::AUTHORIZATION)
        || negotiate::json_body(headers).is_ok();
    let is_foreign = match site {
        Some(site) => {
            let is_allowed = headers.get(header::ORIGIN).is_some_and(|origin| allowed.allow(origin));
            matches!(site, b"cross-site" | b"same-site") && !is_allowed
        }
        // Browsers do not send the header without encryption or localhost. A script still sends its origin for a
        // request with an answer that it could read.
        None => !allowed.may(headers),
    };
    is_foreign && !preflighted
}
