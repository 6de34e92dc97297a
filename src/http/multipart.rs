//! Results as parts of one `multipart/mixed` answer, after Apollo's protocol for subscriptions over HTTP: each part is
//! `{"payload": …}`, an empty object is a sign of life, and errors beside an empty payload end it.
//! Not here: what follows what (`stream`). A client that was cut off passes the last `cursor` as `after`.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use super::stream::{Part, json};

/// Names the protocol, so that a client knows how to read it.
const CONTENT_TYPE: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";

/// The stream of parts. Each is followed by its delimiter at once: until that comes a client cannot know its end.
pub(super) fn respond(parts: impl Stream<Item = Part> + Send + 'static) -> Response {
    let opening = stream::once(async { "\r\n--graphql".to_owned() });
    let body = opening.chain(parts.map(write)).map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from_stream(body)).into_response()
}

fn write(part: Part) -> String {
    let part_of = |json: String| format!("\r\ncontent-type: application/json\r\n\r\n{json}\r\n--graphql");
    match part {
        Part::Next(reply, _) => part_of(format!("{{\"payload\":{}}}", json(&reply))),
        Part::Ended(error) => part_of(json(&json!({ "payload": null, "errors": [error] }))) + "--\r\n",
        Part::Beat => part_of("{}".to_owned()),
        Part::Complete => "--\r\n".to_owned(),
    }
}
