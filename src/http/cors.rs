//! Cross-origin access: only pages of the origins on a list may use the service from another site.
//! Not here: the refusal of a page that is not allowed (`graphql`, `websocket`).

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Time for which a browser may cache the answer to a preflight request.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Headers that pages may send in addition to those that every page may.
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

/// Origins of foreign pages that may use the service. Its own origin is always allowed.
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<[String]>);

impl Origins {
    /// List of origins, each as [`origin`] returns it.
    pub fn new(origins: Vec<String>) -> Self {
        Self(origins.into())
    }

    /// Returns true if the list is empty.
    pub fn is_closed(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if pages of this origin are allowed.
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)))
    }

    /// Returns true if the origin of a request is allowed: no page, a page of this host, or a page of a listed origin.
    pub(super) fn may(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let at = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, at)| at);
        let own = at.is_some_and(|at| host.is_some_and(|host| host.eq_ignore_ascii_case(at)));
        own || self.allow(origin)
    }

    /// Returns the layer that sends the CORS headers. Credentials are not allowed: nothing here reads a cookie.
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

/// Reads an origin as browsers send it: `scheme://host`, with a port unless it is the default one.
pub fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no origin: write https://host or https://host:port, without *");
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
