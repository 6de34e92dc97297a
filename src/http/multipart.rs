//! Results as parts of one `multipart/mixed` answer, in Apollo's protocol for subscriptions over HTTP: each part is
//! `{"payload": …}`, an empty object is a heartbeat, and errors beside a null payload end the stream.
//! Not here: the order of parts (`stream`). A client that was disconnected passes the last `cursor` as `after`.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use super::part::{Part, json};

/// Content type with the name of the protocol, so that a client can parse it.
const CONTENT_TYPE: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";

/// Returns a stream of parts. Each is followed by its delimiter at once, because a client needs it to find the part's
/// end.
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
