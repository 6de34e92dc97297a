//! Results as server-sent events, in the `graphql-sse` protocol with distinct connections: `next` with a result,
//! `complete` at the end, and comments in between as heartbeats.
//! Not here: the order of parts (`stream`).
//!
//! An event carries an `id` when the operation's root field takes `after` and the client selects its `cursor`: the id
//! is that cursor. A client that reconnects with it as `Last-Event-ID`, as browsers do, resumes after that event: the
//! header replaces `after`, whatever the document says there. Fields without `after` show states, and their stream
//! begins with the current state: there is nothing to resume, so the header has no effect on them.

use std::convert::Infallible;

use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use super::part::{Part, json};
use crate::engine::fault::Fault;
use crate::engine::response::GraphqlResponse;

/// Header with which a client resumes a stream.
const LAST: &str = "last-event-id";

/// Length limit of a cursor, in bytes.
const CURSOR: usize = 128;

/// Returns the id of the last event that the client received, if it sends one.
pub(super) fn last_event(headers: &HeaderMap) -> Result<Option<String>, GraphqlResponse> {
    let Some(value) = headers.get(LAST).filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().ok().filter(|id| is_id(id)) {
        Some(id) => Ok(Some(id.to_owned())),
        None => Err(GraphqlResponse::refused(
            Fault::BadUserInput,
            "Last-Event-ID is not the id of an event of this service.",
        )),
    }
}

/// Returns true for a valid event id. Cursors are base64url; any other character is refused, line ends above all.
fn is_id(text: &str) -> bool {
    (1..=CURSOR).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Returns the stream of events.
pub(super) fn respond(parts: impl Stream<Item = Part> + Send + 'static) -> Response {
    Sse::new(parts.flat_map(|part| stream::iter(events(part)).map(Ok::<_, Infallible>))).into_response()
}

fn events(part: Part) -> Vec<Event> {
    let complete = || Event::default().event("complete").data("");
    match part {
        Part::Next(reply, cursor) => {
            let event = Event::default().event("next").data(json(&reply));
            vec![match cursor.filter(|cursor| is_id(cursor)) {
                Some(cursor) => event.id(cursor),
                None => event,
            }]
        }
        Part::Ended(error) => {
            vec![Event::default().event("next").data(json(&json!({ "errors": [error] }))), complete()]
        }
        Part::Beat => vec![Event::default().comment("")],
        Part::Complete => vec![complete()],
    }
}
