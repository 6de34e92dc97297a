//! Host names that requests may use. A page of another site can give its own name this machine's address (DNS
//! rebinding), and the browser then treats it as a page of the service. The name in `Host` reveals that.
//! Not here: pages of other origins (`cors`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::Response;

use crate::engine::fault::Fault;

/// Allowed host names.
#[derive(Debug, Clone, Default)]
pub enum Hosts {
    /// Any name: a reverse proxy or the open internet decides.
    #[default]
    Any,
    /// `localhost`, every numeric address, which no other site can claim, and these names.
    Named(Arc<[String]>),
}

impl Hosts {
    /// List of names, each as [`host`] returns it.
    pub fn named(names: impl IntoIterator<Item = String>) -> Self {
        Self::Named(names.into_iter().collect())
    }

    /// Returns true if requests may use this name, given without its port.
    pub fn allow(&self, host: &str) -> bool {
        let Self::Named(names) = self else { return true };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        host == "localhost"
            || host.ends_with(".localhost")
            || address.parse::<IpAddr>().is_ok()
            || names.contains(&host)
    }
}

/// Reads a host name: letters, digits, dots and hyphens.
pub fn host(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    match !text.is_empty() && text.chars().all(is_name) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("{text:?} is no host name: write the name alone, as tickets.example.org")),
    }
}

/// Refuses requests to other names. A request without `Host` is allowed, since no browser sends one.
pub(super) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let named = match request.uri().host() {
        Some(host) => Some(host.to_owned()),
        None => request.headers().get(header::HOST).map(|value| name_of(value.as_bytes())),
    };
    match named.is_none_or(|host| hosts.allow(&host)) {
        true => next.run(request).await,
        false => {
            let message = "This host name is not allowed: use localhost, or start the service with --allow-host.";
            super::plain(StatusCode::MISDIRECTED_REQUEST, Fault::Forbidden, message)
        }
    }
}

/// Returns the host of a header without its port; empty when the header is not valid.
fn name_of(value: &[u8]) -> String {
    Authority::try_from(value).map(|authority| authority.host().to_owned()).unwrap_or_default()
}
