//! Security headers on every answer: those that Helmet sets, as strict as an API can be. A header that an answer sets
//! itself, such as the policy of the GraphiQL page, is kept.
//! Not here: cross-origin access (`cors`) and caching (`answer`).

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

const HEADERS: [(HeaderName, &str); 12] = [
    // No answer is a page, and no page may show one in a frame.
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("origin-agent-cluster"), "?1"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_DNS_PREFETCH_CONTROL, "off"),
    (HeaderName::from_static("x-download-options"), "noopen"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
    // The filter that this switches off could itself be turned against a page.
    (header::X_XSS_PROTECTION, "0"),
];

/// Requires https for a year, as Helmet does.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Adds the headers that an answer does not set itself.
pub(super) async fn add(request: Request, next: Next) -> Response {
    // A proxy terminates TLS and reports it in this header. If a client sends the header without TLS, browsers ignore
    // the answer's header.
    let is_encrypted = request.headers().get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_encrypted {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HTTPS_ONLY);
    }
    response
}
