//! Reads the body of a request within its limits of size and time.
//! Not here: the content of the body (`parameters`).

use std::time::Duration;

use axum::body;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;

use super::answer::Problem;
use crate::engine::fault::Fault;

/// Limits of a body.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Size of a body; 256 KiB.
    pub bytes: usize,
    /// Time for the whole body to arrive; 10 s.
    pub within: Duration,
}

impl Default for Body {
    fn default() -> Self {
        Self { bytes: 256 * 1024, within: Duration::from_secs(10) }
    }
}

/// Bytes of an oversized body that are read and dropped at least, so that the client can read the refusal.
const DRAINED: usize = 16 * 1024 * 1024;

/// Reads a body up to its limits.
pub(super) async fn read(body: body::Body, headers: &HeaderMap, limits: Body) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        let message = format!("The body is larger than {} bytes.", limits.bytes);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Fault::TooCostly, &message)
    };
    let drained = DRAINED.max(limits.bytes);
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > drained) {
        return Err(too_large().with(header::CONNECTION, "close"));
    }
    let collect = async {
        let mut chunks = body.into_data_stream();
        let mut bytes = Vec::with_capacity(declared.unwrap_or(0).min(limits.bytes));
        let mut seen: usize = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk =
                chunk.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, Fault::BadUserInput, "Incomplete body."))?;
            seen = seen.saturating_add(chunk.len());
            if seen > drained {
                return Err(too_large().with(header::CONNECTION, "close"));
            }
            if seen > limits.bytes {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&chunk);
            }
        }
        if seen > limits.bytes { Err(too_large()) } else { Ok(bytes) }
    };
    tokio::time::timeout(limits.within, collect).await.unwrap_or_else(|_| {
        let message = format!("The body did not arrive within {} s.", limits.within.as_secs());
        let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, Fault::BadUserInput, &message);
        Err(problem.with(header::CONNECTION, "close"))
    })
}
