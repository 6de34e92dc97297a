//! GraphQL over WebSocket at `/graphql/ws`: admission of sockets that speak `graphql-transport-ws`, and their limits.
//! Not here: the messages on a socket (`connection` decides, `protocol` words them, `operation` executes, `writer`
//! sends).
//!
//! One task reads and decides, one writes, and each operation has a task of its own.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};

use self::connection::Connection;
use self::protocol::{Close, SUBPROTOCOL};
use super::HttpState;
use super::listen::Held;
use super::parameters::Credential;
use crate::access::Peer;
use crate::engine::fault::Fault;

mod connection;
mod operation;
pub mod protocol;
mod writer;

/// Limits and timeouts of a socket.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Time to wait for `connection_init`; 5 s.
    pub init: Duration,
    /// Time without a message from the client before it is pinged; 15 s.
    pub ping: Duration,
    /// Time for a pinged client to send a message; 10 s.
    pub pong: Duration,
    /// Interval of session checks without a notification of a revocation, because a token also expires by itself; 500
    /// ms.
    pub recheck: Duration,
    /// Timeout of one write; 10 s. A client that reads more slowly is disconnected.
    pub write: Duration,
    /// Timeout of sending the close frame; 5 s. Then the socket is closed without it.
    pub close_frame: Duration,
    /// Time for running answers to finish when the service stops; 5 s.
    pub drain: Duration,
    /// Concurrent operations; 64.
    pub operations: usize,
    /// Size limit of a message from the client; 64 KiB.
    pub message: usize,
    /// Concurrent sockets of one user; 10.
    pub per_user: usize,
    /// Messages from the client per second, on average; 10.
    pub messages_per_second: NonZeroU32,
    /// Messages from the client in one burst; 100, so that a client that reconnects can resume all its operations.
    pub messages_at_once: NonZeroU32,
    /// Messages that wait to be written; 256. Operations wait when the queue is full.
    pub queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(5),
            ping: Duration::from_secs(15),
            pong: Duration::from_secs(10),
            recheck: Duration::from_millis(500),
            write: Duration::from_secs(10),
            close_frame: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            operations: 64,
            message: 64 * 1024,
            per_user: 10,
            messages_per_second: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
            messages_at_once: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            queue: 256,
        }
    }
}

/// Buffer size of a socket in each direction, allocated before anything is sent; the default is 32 times as much.
const BUFFER: usize = 4 * 1024;

/// Handles `GET /graphql/ws`.
pub(super) async fn upgrade(
    State(edge): State<HttpState>,
    peer: Option<Extension<Peer>>,
    held: Option<Extension<Held>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(mut upgrade) = upgrade else {
        let message = "This address speaks graphql-transport-ws over WebSocket.";
        let mut response = super::plain(StatusCode::UPGRADE_REQUIRED, Fault::BadUserInput, message);
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        return response;
    };
    if !edge.origins.may(&headers) {
        return super::plain(
            StatusCode::FORBIDDEN,
            Fault::Forbidden,
            "Pages of this origin may not open a socket here.",
        );
    }
    // Another subprotocol is accepted only to refuse it with a close code, because a browser shows nothing else of a
    // refusal to its page.
    let offered: Vec<HeaderValue> = upgrade.requested_protocols().cloned().collect();
    let spoken = offered.iter().find(|name| name.as_bytes() == SUBPROTOCOL.as_bytes());
    let acceptable = spoken.is_some();
    if let Some(name) = spoken.or(offered.first()) {
        upgrade.set_selected_protocol(name.clone());
    }
    let credential = Credential::of(&headers);
    let size = edge.sockets.message;
    let tasks = edge.engine.tasks().clone();
    upgrade.max_message_size(size).max_frame_size(size).read_buffer_size(BUFFER).write_buffer_size(BUFFER).on_upgrade(
        move |socket| {
            tasks.track_future(async move {
                let _held = held; // the socket still counts as a connection of its address
                let peer = peer.map(|Extension(peer)| peer);
                serve(edge, socket, peer, credential, acceptable).await;
            })
        },
    )
}

async fn serve(edge: HttpState, socket: WebSocket, peer: Option<Peer>, credential: Credential, acceptable: bool) {
    let (sink, mut stream) = socket.split();
    let (out, queue) = mpsc::channel(edge.sockets.queue);
    let (close_frame, told) = oneshot::channel();
    // A queue without senders ends the writer. This sender is held until the writer has ended by itself: the writer may
    // check for the close frame just before that is sent, and check the queue just after.
    let open = out.clone();
    let writer = tokio::spawn(writer::run(sink, queue, told, edge.sockets));
    // Permit of one of the user's sockets, held until the last frame is sent and not only until nothing is left to
    // send.
    let mut seat = None;
    let last = if acceptable {
        Connection::new(&edge, out, peer, credential, &mut seat).run(&mut stream).await
    } else {
        Some(Close::SUBPROTOCOL.into())
    };
    match last {
        Some(last) => drop(close_frame.send(last)), // an error means that the writer and the client are gone
        None => drop(close_frame),
    }
    writer::part(writer, stream).await;
    drop(open);
}
