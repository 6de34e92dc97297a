//! An operation whose results go out one by one over plain HTTP, as events or as parts: what follows what, and when it
//! ends. One task per stream executes; at most a few results wait for a slow reader, and one who reads nothing for as
//! long as one write may take is left.
//! Not here: how the results are framed (`sse`, `multipart`), and queries and mutations answered at once (`graphql`).
//!
//! Rights stay true while a stream is open, as on a socket: it ends with UNAUTHENTICATED when its session does and with
//! FORBIDDEN when the rights change. When the service stops it ends without a word, so that its client takes it up again.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use async_graphql::ServerError;
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
use super::websocket::Settings;
use super::{HttpState, multipart, sse};
use crate::access::Actor;
use crate::account::session::Change;
use crate::engine::execute::{GraphqlResponse, Prepared};
use crate::engine::fault::Fault;

/// Parts that wait for a slow reader; the subscription waits behind them, in its table.
const READY: usize = 4;

/// What comes next in a stream.
#[derive(Debug)]
pub(super) enum Part {
    /// A result, and where to go on behind it when the operation can be resumed.
    Next(GraphqlResponse, Option<String>),
    /// The service ends it, and why.
    Ended(ServerError),
    /// Nothing new; the connection lives.
    Beat,
    /// Nothing more comes.
    Complete,
}

/// The answer to an operation that was prepared, or refused. A subscription counts as one of its user's sockets.
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
                // A panic costs this stream only, and its text stays inside.
                if let Err(panic) = AssertUnwindSafe(produced).catch_unwind().await {
                    let failed = engine.panicked("a stream", panic.as_ref());
                    let _ = told.send_timeout(Part::Ended(failed), patience).await; // who does not read it is told nothing
                }
            });
        }
        Err(reply) => {
            for part in [Part::Next(reply, None), Part::Complete] {
                let _ = out.try_send(part); // there is room for both
            }
        }
    }
    // Held by the answer and not by who makes it: that one may be through, while its reader still holds the connection.
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
    let message = "You have as many streams and sockets as you may have; close one.";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, Fault::RateLimited, message).with(header::RETRY_AFTER, "1")
}

/// Asks nginx and its like to pass on what comes when it comes.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Executes and sends until one side ends it.
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
            () = out.closed() => {} // the client went away; a mutation goes on
            last = sent => if let Some(last) = last {
                let _ = out.send_timeout(last, settings.write).await; // who does not read it is told nothing
            }
        }
    }
}

/// Sends all but the last part and returns that; none: there is nothing more to say.
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
            // What has an end is waited for; a stream is taken up again by its client, elsewhere or anew.
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

/// A reply as JSON.
pub(super) fn json(reply: &impl serde::Serialize) -> String {
    serde_json::to_string(reply).unwrap_or_else(|error| {
        // Only a value that is no JSON could fail, such as a NaN out of a resolver.
        tracing::error!(%error, "a result cannot be written as JSON");
        "{\"errors\":[{\"message\":\"Something went wrong on our side.\",\"extensions\":{\"code\":\"INTERNAL\"}}]}"
            .into()
    })
}
