//! The GraphiQL page and its files over HTTP: headers, encodings, revalidation.
//! Not here: the page in a browser.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use boxoffice::http::assets;
use tower::ServiceExt;

const POLICY: &str = "default-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
                      img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let app: Router = assets::routes::<()>();
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn bytes(response: Response) -> Vec<u8> {
    to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    for path in ["/", "/graphiql/"] {
        let response = get(path, &[]).await;
        assert_eq!((response.status(), header(&response, "location")), (StatusCode::SEE_OTHER, "/graphiql"));
    }
}

#[tokio::test]
async fn the_page_has_its_headers_and_every_file_it_names() {
    let response = get("/graphiql", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
        ("content-encoding", ""),
    ] {
        assert_eq!(header(&response, name), value, "{name}");
    }
    let html = String::from_utf8(bytes(response).await).unwrap();
    assert!(html.contains("<title>Boxoffice · GraphiQL</title>") && !html.contains("<style"), "{html}");
    let named: Vec<&str> = html.split('"').filter(|text| text.starts_with("/graphiql/assets/")).collect();
    assert!(named.len() >= 3, "{html}");
    for path in named {
        assert_eq!(get(path, &[]).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn files_go_out_packed_to_whoever_accepts_that() {
    for (accept, packed) in [
        ("gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1, GZIP;q=0.5", true),
        ("*", true),
        ("x-gzip", true),
        ("gzip;q=0", false),
        ("gzip; q=0.0, *", false),
        ("br", false),
        ("identity, *;q=0", false),
        ("", false),
    ] {
        let response = get("/graphiql/assets/favicon.svg", &[("accept-encoding", accept)]).await;
        assert_eq!(header(&response, "content-encoding"), if packed { "gzip" } else { "" }, "{accept}");
        assert_eq!(header(&response, "vary"), "accept-encoding");
        assert_eq!(header(&response, "content-type"), "image/svg+xml");
        assert_eq!(header(&response, "cache-control"), "public, max-age=3600, must-revalidate");
        let body = bytes(response).await;
        assert_eq!(body.starts_with(&[0x1f, 0x8b]), packed, "{accept}");
        assert_eq!(body.starts_with(b"<!--"), !packed, "{accept}");
    }
}

#[tokio::test]
async fn a_file_one_has_is_not_sent_again() {
    let path = "/graphiql/assets/graphiql.js";
    let tag = header(&get(path, &[("accept-encoding", "gzip")]).await, "etag").to_owned();
    let plain = get(path, &[]).await;
    let plain_tag = header(&plain, "etag").to_owned();
    assert_ne!(tag, plain_tag, "packed and unpacked are two representations");
    assert!(bytes(plain).await.len() > 1_000_000);
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let response = get(path, &[("accept-encoding", "gzip"), ("if-none-match", &known)]).await;
        assert_eq!((response.status(), header(&response, "etag")), (StatusCode::NOT_MODIFIED, tag.as_str()), "{known}");
        assert!(bytes(response).await.is_empty());
    }
    assert_eq!(get(path, &[("if-none-match", &tag)]).await.status(), StatusCode::OK);
    assert_eq!(get(path, &[("if-none-match", &plain_tag)]).await.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn nothing_else_is_served() {
    for path in [
        "nope.js",
        "../index.html",
        "%2e%2e/%2e%2e/build.mjs",
        "..%2f..%2fpackage.json",
        "graphiql.js.gz",
        "/etc/passwd",
        "%00",
    ] {
        let response = get(&format!("/graphiql/assets/{path}"), &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(get("/graphiql/assets/%ff", &[]).await.status(), StatusCode::BAD_REQUEST);
}
