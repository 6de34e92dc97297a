//! HTTP interface: one router over GraphQL by HTTP, event streams and WebSocket, the GraphiQL page and health.
//! Not here: the meaning of a request; nothing below this module knows HTTP.

use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use self::answer::Problem;
use self::cors::Origins;
use self::hosts::Hosts;
use self::keyed_limiter::KeyedLimiter;
use self::negotiate::Media;
use crate::account::session::Sessions;
use crate::engine::execute::{Engine, RequestId};
use crate::engine::fault::Fault;
use crate::engine::response::GraphqlResponse;
use crate::id::UserId;

mod answer;
pub mod assets;
pub mod body;
pub mod cors;
pub mod demo;
pub mod graphql;
mod headers;
pub mod health;
pub mod hosts;
mod io_timeout;
pub mod keyed_limiter;
pub mod listen;
mod multipart;
pub mod negotiate;
pub mod parameters;
mod part;
mod sse;
mod stream;
pub mod websocket;

pub use health::{NotReady, Readiness};

/// State shared by all transports; cheap to clone.
#[derive(Clone)]
pub struct HttpState {
    /// Executes requests. Its task tracker holds the sockets too, so that a graceful stop can wait for them.
    pub engine: Engine,
    /// Identifies the user of a token.
    pub sessions: Sessions,
    /// Cancelled when the service stops: sockets finish running answers and close.
    pub shutdown: CancellationToken,
    /// Foreign origins with access to the service.
    pub origins: Origins,
    /// Host names that requests may use.
    pub hosts: Hosts,
    /// Largest number of requests in one array; 0 refuses arrays.
    pub batch_max: usize,
    /// Limits of a request's body.
    pub body: body::Body,
    /// Limits and timeouts of sockets.
    pub sockets: websocket::Settings,
    /// Counters of sockets by user.
    pub keyed_limiter: KeyedLimiter<UserId>,
    /// True if the GraphiQL page may list the users of the demo.
    pub demo: bool,
    /// True if there is a GraphiQL page.
    pub page: bool,
}

impl HttpState {
    /// State with the limits of the design and no foreign origins.
    pub fn new(engine: Engine, sessions: Sessions, shutdown: CancellationToken) -> Self {
        Self {
            engine,
            sessions,
            shutdown,
            origins: Origins::default(),
            hosts: Hosts::default(),
            batch_max: 0,
            body: body::Body::default(),
            sockets: websocket::Settings::default(),
            keyed_limiter: KeyedLimiter::default(),
            demo: false,
            page: true,
        }
    }
}

/// Router of all addresses.
pub fn router(edge: HttpState, readiness: Readiness) -> Router {
    let page = match edge.page {
        true => assets::routes().merge(demo::routes(edge.demo)),
        false => Router::new(),
    };
    let engine = edge.engine.clone();
    let hosts = edge.hosts.clone();
    let cors = (!edge.origins.is_closed()).then(|| edge.origins.layer());
    let router = Router::new()
        .route("/graphql", get(graphql::get).post(graphql::post).fallback(graphql::other_method))
        .route("/graphql/stream", get(graphql::get_stream).post(graphql::post_stream).fallback(graphql::other_method))
        .route("/graphql/ws", get(websocket::upgrade))
        .with_state(edge)
        .merge(health::routes(readiness))
        .merge(page)
        .fallback(|| async { plain(StatusCode::NOT_FOUND, Fault::NotFound, "There is nothing at this address.") })
        .layer(from_fn_with_state(engine.clone(), catch_panic))
        .layer(from_fn_with_state(engine, name_request));
    let router = match hosts {
        Hosts::Any => router,
        hosts => router.layer(from_fn_with_state(hosts, hosts::check)),
    };
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.layer(from_fn(headers::add)).layer(compression())
}

/// Compresses answers above a size at which that pays, for clients that accept it. Streams are not compressed, because
/// their parts would wait in the compressor. Compression is safe here, because no cookie can be guessed from the size
/// of an answer.
fn compression() -> CompressionLayer<impl Predicate> {
    let worth_it =
        SizeAbove::new(1_024).and(NotForContentType::SSE).and(NotForContentType::const_new("multipart/mixed"));
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth_it)
}

/// Returns an error outside GraphQL, in the same shape.
fn plain(status: StatusCode, fault: Fault, message: &str) -> Response {
    (
        status,
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(GraphqlResponse::refused(fault, message)),
    )
        .into_response()
}

/// Header of a request's id, as in its records.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives a request its id, and its answer the header.
async fn name_request(State(engine): State<Engine>, mut request: Request, next: Next) -> Response {
    let id = engine.request_id();
    let value = HeaderValue::from_str(&id.0);
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    if let Ok(value) = value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Limits a panic in a handler to its request, and keeps its text out of the answer.
async fn catch_panic(State(engine): State<Engine>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| engine.request_id());
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let reply = GraphqlResponse::from(engine.panicked_in(&id, "a handler", panic.as_ref()));
            answer::refuse(Media::Json, Problem::from(reply))
        }
    }
}
