//! Parts that the framings of a stream write, and their JSON.
//! Not here: the order of parts (`stream`), and their framing (`sse`, `multipart`).

use async_graphql::ServerError;
use serde::Serialize;

use crate::engine::response::GraphqlResponse;

/// Part of a stream.
#[derive(Debug)]
pub(super) enum Part {
    /// Result, and the cursor to resume after it when the operation is resumable.
    Next(GraphqlResponse, Option<String>),
    /// Error with which the service ends the stream.
    Ended(ServerError),
    /// Heartbeat of a stream without new results.
    Beat,
    /// End of the stream.
    Complete,
}

/// Returns a reply as JSON.
pub(super) fn json(reply: &impl Serialize) -> String {
    serde_json::to_string(reply).unwrap_or_else(|error| {
        // Serialization fails only for a value that is not JSON, such as a NaN from a resolver.
        tracing::error!(%error, "a result cannot be written as JSON");
        "{\"errors\":[{\"message\":\"Something went wrong on our side.\",\"extensions\":{\"code\":\"INTERNAL\"}}]}"
            .into()
    })
}
