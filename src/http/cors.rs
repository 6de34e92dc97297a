//! Which foreign pages may talk to the service: none, but those of the origins on a list.
//! Not here: what a page that may not ask is refused (`graphql`, `websocket`).

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember that it was told it may ask.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What pages may send beside what every page may.
const HEADERS: [HeaderName; 10] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("apollo-require-preflight"),
    HeaderName::from_static("apollographql-client-name"),
    HeaderName::from_static("apollographql-client-version"),
    HeaderName::from_static("graphql-require-preflight"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-apollo-operation-name"),
];

/// Origins of foreign pages that may talk to the service; the service's own always may.
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<[String]>);

impl Origins {
    /// These, each as [`origin`] gives it.
    pub fn new(origins: Vec<String>) -> Self {
        Self(origins.into())
    }

    /// Whether the list is empty.
    pub fn is_closed(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a page of this origin may.
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)))
    }

    /// Whether a request may come from where the browser says it comes from: from no page, from a page of this host, or from
    /// one of these origins.
    pub(super) fn may(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let at = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, at)| at);
        let own = at.is_some_and(|at| host.is_some_and(|host| host.eq_ignore_ascii_case(at)));
        own || self.allow(origin)
    }

    /// Tells browsers so. No credentials: nothing here reads a cookie.
    pub(super) fn layer(&self) -> CorsLayer {
        let origins = self.clone();
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| origins.allow(origin)))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(HEADERS)
            .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE, super::REQUEST_ID])
            .max_age(REMEMBERED)
    }
}

/// Reads an origin as browsers send it: `scheme://host`, with a port where it is not the usual one.
pub fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no origin: write https://host or https://host:port, one of a page, not *");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(wrong()),
    };
    let (host, port) = (authority.host().to_ascii_lowercase(), authority.port_u16());
    let written = match port {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    let is_bare = text.len() == scheme.len() + "://".len() + written.len();
    if !is_bare || host.is_empty() || host.contains('*') {
        return Err(wrong());
    }
    Ok(match port {
        Some(port) if port != usual => format!("{scheme}://{written}"),
        _ => format!("{scheme}://{host}"),
    })
}
