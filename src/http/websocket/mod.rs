//! GraphQL over WebSocket at `/graphql/ws`: who may open a socket that speaks `graphql-transport-ws`, and its sizes.
//! Not here: what is said on it (`connection` decides, `protocol` words it, `operation` executes, `writer` sends).
//!
//! One task reads and decides, one writes, and each operation has one of its own.

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

/// Times and sizes of a socket.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long `connection_init` is waited for; 5 s.
    pub init: Duration,
    /// How long a silent client is left alone before it is pinged; 15 s.
    pub ping: Duration,
    /// How long a pinged client may stay silent; 10 s.
    pub pong: Duration,
    /// How often the session is asked for although no revocation was heard of: a token also ends by itself; 500 ms.
    pub recheck: Duration,
    /// How long one write may take; 10 s. A client that reads more slowly is cut off.
    pub write: Duration,
    /// How long it may take to say why a socket closes; 5 s. Then it is closed without a word.
    pub close_frame: Duration,
    /// How long answers may take that are begun when the service stops; 5 s.
    pub drain: Duration,
    /// Operations at a time; 64.
    pub operations: usize,
    /// Size of a message from the client; 64 KiB.
    pub message: usize,
    /// Sockets of one user at a time; 10.
    pub per_user: usize,
    /// Messages from the client per second, in the long run; 10.
    pub messages_per_second: NonZeroU32,
    /// Messages from the client at once; 100, so that a client that comes back can take up all it had.
    pub messages_at_once: NonZeroU32,
    /// Messages waiting to be written; 256. Operations wait when it is full.
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

/// A socket costs this much memory per direction before anything is sent; the default is 32 times as much.
const BUFFER: usize = 4 * 1024;

/// `GET /graphql/ws`.
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
    // Another subprotocol is agreed to only to say in a close code, the one place where a browser shows it to its
    // page, that it is not spoken here.
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
                let _held = held; // it is still a connection of its address
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
    // A queue without senders ends the writer. Held until the writer has ended by itself: it may look for the close frame
    // just before that is sent, and at the queue just after.
    let open = out.clone();
    let writer = tokio::spawn(writer::run(sink, queue, told, edge.sockets));
    // One of the sockets its user may have, until the last frame is out and not only until there is nothing to say.
    let mut seat = None;
    let last = if acceptable {
        Connection::new(&edge, out, peer, credential, &mut seat).run(&mut stream).await
    } else {
        Some(Close::SUBPROTOCOL.into())
    };
    match last {
        Some(last) => drop(close_frame.send(last)), // it comes back when the writer is gone; there is nobody to say it to
        None => drop(close_frame),
    }
    writer::part(writer, stream).await;
    drop(open);
}
