//! Streams the results of an operation over plain HTTP, as events or as parts: their order and their end. One task per
//! stream executes the operation. At most a few results wait for a slow client, and a client that reads nothing for as
//! long as one write may take is disconnected.
//! Not here: the framing of results (`sse`, `multipart`), and queries and mutations with a single answer (`graphql`).
//!
//! Rights are checked while a stream is open, as on a socket: it ends with UNAUTHENTICATED when its session ends, and
//! with FORBIDDEN when the rights change. When the service stops, it ends without a last part, so that its client
//! resumes it.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use async_graphql::parser::types::OperationType;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::answer::Problem;
use super::negotiate::Framing;
use super::part::Part;
use super::websocket::Settings;
use super::{HttpState, multipart, sse};
use crate::access::Actor;
use crate::account::session::Change;
use crate::engine::execute::Prepared;
use crate::engine::fault::Fault;
use crate::engine::response::GraphqlResponse;

/// Parts that wait for a slow client; further results of the subscription wait in its table.
const READY: usize = 4;

/// Returns the answer to an operation that was prepared or refused. A subscription counts as one of its user's sockets.
pub(super) fn respond(
    edge: &HttpState,
    actor: Actor,
    prepared: Result<Prepared, GraphqlResponse>,
    framing: Framing,
) -> Result<Response, Problem> {
    let (out, parts) = mpsc::channel(READY);
    let mut seat = None;
    match prepared {
        Ok(prepared) => {
            let user = actor.user_id().filter(|_| prepared.kind() == OperationType::Subscription);
            seat = user
                .map(|user| edge.keyed_limiter.enter(user, edge.sockets.per_user).ok_or_else(|| full(edge)))
                .transpose()?;
            let (told, patience) = (out.clone(), edge.sockets.write);
            let produced = produce(edge, actor, prepared, out);
            let engine = edge.engine.clone();
            edge.engine.tasks().spawn(async move {
                // A panic ends only this stream, and its text stays out of the answer.
                if let Err(panic) = AssertUnwindSafe(produced).catch_unwind().await {
                    let failed = engine.panicked("a stream", panic.as_ref());
                    let _ = told.send_timeout(Part::Ended(failed), patience).await; // lost if the client does not read
                }
            });
        }
        Err(reply) => {
            for part in [Part::Next(reply, None), Part::Complete] {
                let _ = out.try_send(part); // the channel has space for both
            }
        }
    }
    // Held by the answer and not by the task: the task may be done while the client still holds the connection.
    let parts = ReceiverStream::new(parts).inspect(move |_| {
        let _ = &seat;
    });
    let mut response = match framing {
        Framing::Events => sse::respond(parts),
        Framing::Parts => multipart::respond(parts),
    };
    for (name, value) in [(header::CACHE_CONTROL, "no-store"), (BUFFERING, "no")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn full(edge: &HttpState) -> Problem {
    edge.engine.refused_by_rate("too many streams of a user");
    let message = "You have reached the limit of streams and sockets; close one.";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, Fault::RateLimited, message).with(header::RETRY_AFTER, "1")
}

/// Header that makes nginx and similar proxies forward each part immediately.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Executes the operation and sends its results until one side ends the stream.
fn produce(
    edge: &HttpState,
    actor: Actor,
    prepared: Prepared,
    out: mpsc::Sender<Part>,
) -> impl Future<Output = ()> + Send + use<> {
    let settings = edge.sockets;
    let stopping = edge.shutdown.clone();
    let streams = prepared.kind() == OperationType::Subscription;
    let resumable = prepared.is_resumable();
    let sessions = edge.sessions.clone();
    let change = async move { sessions.change(actor, settings.recheck).await };
    let replies = edge.engine.subscribe(actor, prepared).map(move |reply| {
        let cursor = if resumable { reply.cursor() } else { None };
        Part::Next(reply, cursor)
    });
    let ended = change.map(|change| {
        Part::Ended(match change {
            Change::Ended(end) => Fault::Unauthenticated.server_error(end.message()),
            Change::Rights(_) => Fault::Forbidden.server_error("Your rights have changed: subscribe again."),
        })
    });
    async move {
        let sent = send(replies, ended, streams, &settings, stopping, &out);
        tokio::select! {
            () = out.closed() => {} // the client disconnected; a mutation continues
            last = sent => if let Some(last) = last {
                let _ = out.send_timeout(last, settings.write).await; // lost when the client does not read
            }
        }
    }
}

/// Sends all but the last part and returns that; `None` when there is no last part.
async fn send(
    replies: impl Stream<Item = Part>,
    ended: impl Future<Output = Part>,
    streams: bool,
    settings: &Settings,
    stopping: CancellationToken,
    out: &mpsc::Sender<Part>,
) -> Option<Part> {
    let (mut replies, mut ended) = (pin!(replies), pin!(ended));
    loop {
        let part = tokio::select! {
            biased;
            // Queries and mutations are awaited; a stream is resumed or restarted by its client.
            () = stopping.cancelled(), if streams => return None,
            ended = &mut ended, if streams => return Some(ended),
            part = replies.next() => match part {
                Some(part) => part,
                None => return Some(Part::Complete),
            },
            () = sleep(settings.ping) => Part::Beat,
        };
        tokio::select! {
            biased;
            () = stopping.cancelled(), if streams => return None,
            sent = out.send_timeout(part, settings.write) => sent.ok()?,
        }
    }
}
