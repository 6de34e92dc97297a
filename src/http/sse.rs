//! Results as server-sent events, after the `graphql-sse` protocol with distinct connections: `next` with a result,
//! `complete` at the end, comments in between as signs of life.
//! Not here: what follows what (`stream`).
//!
//! An event carries an `id` when the operation's one root field takes `after` and the client asks for its `cursor`: the id
//! is that cursor. A client that comes back with it as `Last-Event-ID`, as browsers do, goes on behind that event: the
//! header stands in for `after`, whatever the document says there. Fields without `after` show states, which begin with
//! how things stand: there is nothing to resume, and the header says nothing to them.

use std::convert::Infallible;

use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use super::stream::{Part, json};
use crate::engine::execute::GraphqlResponse;
use crate::engine::fault::Fault;

/// Where a client says that it was cut off.
const LAST: &str = "last-event-id";

/// How long a cursor may be.
const CURSOR: usize = 128;

/// The id of the last event that arrived, if the client says one.
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

/// Cursors are base64url; nothing else becomes an id, line ends least of all.
fn is_id(text: &str) -> bool {
    (1..=CURSOR).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The stream of events.
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
