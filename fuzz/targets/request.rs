//! HTTP: a body as JSON, a query string's pairs, `Accept`, `Content-Type` and `Authorization`. Any bytes are read or
//! refused in one line.
//! Not here: what is executed of it (`document`).
#![no_main]

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use boxoffice::engine::response::GraphqlResponse;
use boxoffice::http::negotiate;
use boxoffice::http::parameters::{self, Asked, Credential};
use libfuzzer_sys::fuzz_target;

fn in_one_line(refusal: &GraphqlResponse) {
    let message = &refusal.response.errors[0].message;
    assert!(!message.contains(['\n', '\r']) && message.len() < 400, "{message}");
}

fuzz_target!(|data: &[u8]| {
    match parameters::from_body(data) {
        Ok(Asked::One(_)) => {}
        Ok(Asked::Batch(requests)) => {
            requests.iter().filter_map(|request| request.as_ref().err()).for_each(in_one_line)
        }
        Err(refusal) => in_one_line(&refusal),
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if let Err(refusal) = parameters::from_pairs(pairs) {
            in_one_line(&refusal);
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let headers: HeaderMap =
            [ACCEPT, CONTENT_TYPE, AUTHORIZATION].map(|name| (name, value.clone())).into_iter().collect();
        // Whoever takes nothing of it is told so; nobody is answered in what they refused.
        let _ = (negotiate::response(&headers), negotiate::framing(&headers), negotiate::takes_events(&headers));
        let _ = negotiate::json_body(&headers);
        let _ = Credential::of(&headers);
    }
});
