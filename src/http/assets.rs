//! Files of the GraphiQL page at `/graphiql`, embedded in the binary, and the redirect from `/` to it. Each file is
//! stored gzip-compressed as `web/graphiql/build.mjs` wrote it and sent that way; a client that does not accept gzip
//! gets it unpacked.
//! Not here: GraphQL; the page uses `/graphql` and `/graphql/ws` like any other client.

use std::io::Read;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use flate2::read::GzDecoder;
use rust_embed::{EmbeddedFile, RustEmbed};

/// Embedded files. A release build contains them; a debug build reads them from the source folder at each request.
#[derive(RustEmbed)]
#[folder = "web/graphiql/dist"]
struct Bundle;

/// Content security policy of the page. Inline styles are for Monaco, the editor inside GraphiQL; scripts and workers
/// are the service's own files only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Caching of the page, which is revalidated each time because its files have no hash in their names. The files are
/// revalidated at least once an hour.
const CACHE_PAGE: &str = "no-cache";
const CACHE_FILE: &str = "public, max-age=3600, must-revalidate";

/// Routes of the page, its files, and the redirects to it.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/graphiql") }))
        .route("/graphiql", get(page))
        .route("/graphiql/", get(|| async { Redirect::to("/graphiql") }))
        .route("/graphiql/assets/{*path}", get(file))
}

async fn page(headers: HeaderMap) -> Response {
    serve("index.html", CACHE_PAGE, &headers).await
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&path, CACHE_FILE, &headers).await
}

async fn serve(path: &str, cache: &str, request: &HeaderMap) -> Response {
    let Some(file) = Bundle::get(&format!("{path}.gz")) else {
        return (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, CACHE_PAGE)], "no such file\n").into_response();
    };
    let gzip = accepts_gzip(request);
    let tag = entity_tag(&file, gzip);
    let headers = [
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::ETAG, tag.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::VARY, "accept-encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if is_fresh(request, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, content_type(path))];
    if gzip {
        return (headers, content_type, [(header::CONTENT_ENCODING, "gzip")], Body::from(file.data)).into_response();
    }
    // Up to 5 MB are unpacked, so this does not run on a thread of the async runtime.
    match tokio::task::spawn_blocking(move || unpack(&file)).await {
        Ok(Ok(bytes)) => (headers, content_type, bytes).into_response(),
        Ok(Err(error)) => unreadable(path, &error),
        Err(error) => unreadable(path, &error), // the unpacking panicked
    }
}

fn unpack(file: &EmbeddedFile) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(&*file.data).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &str, error: &dyn std::fmt::Display) -> Response {
    tracing::error!(path, %error, "an embedded file cannot be unpacked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Returns the entity tag. Packed and unpacked are two representations of one file, so they have two tags.
fn entity_tag(file: &EmbeddedFile, gzip: bool) -> String {
    let hash = hex::encode(file.metadata.sha256_hash());
    if gzip { format!("\"{hash}-gzip\"") } else { format!("\"{hash}\"") }
}

/// Returns true if the client has this version already (`If-None-Match`, compared weakly as RFC 9110 13.1.2 requires).
fn is_fresh(request: &HeaderMap, tag: &str) -> bool {
    list(request, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// Returns true if the client asked for gzip. Without the header any encoding is allowed, but such a client is most
/// likely curl, which does not unpack it unasked.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut any_other = false;
    for item in list(request, header::ACCEPT_ENCODING) {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
        let wanted = weight.parse::<f32>() != Ok(0.0);
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => any_other = wanted,
            _ => {}
        }
    }
    any_other
}

/// Returns the items of a header with a comma-separated list, which may be sent several times.
fn list(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
