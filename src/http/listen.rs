//! Connections: how many there may be, how long a client may take to say what it wants, where it comes from, and a stop
//! that lets begun requests finish.
//! Not here: what is answered (`super::router`). Encryption is a proxy's business.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::crowd::{Crowd, Place};
use crate::graphql::budget::Peer;

/// Numbers and times of connections.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Connections at a time; 10,000.
    pub connections: usize,
    /// Connections of one address at a time; 256. Behind a proxy all of them come from one address.
    pub per_address: usize,
    /// How long a request's headers may take, and how long a connection may stay idle between requests; 5 s.
    pub headers: Duration,
    /// How many proxies stand in front and name their client in `X-Forwarded-For`; 0.
    pub proxies: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connections: 10_000, per_address: 256, headers: Duration::from_secs(5), proxies: 0 }
    }
}

/// Size of a request's head, its line and all headers.
const HEAD: usize = 32 * 1024;

/// What a connection holds as long as it lives, a socket that it became included.
#[derive(Debug, Clone)]
pub struct Held(#[allow(dead_code, reason = "held, not read")] Arc<(Place<()>, Place<IpAddr>)>);

/// Said to whoever finds no room; they may read it before the connection ends.
const FULL: &str =
    r#"{"errors":[{"message":"There are too many connections; try again.","extensions":{"code":"OVERLOADED"}}]}"#;

/// Serves until `stop`, then lets begun requests finish.
pub async fn serve(listener: TcpListener, router: Router, settings: Settings, stop: CancellationToken) {
    let (all, addresses) = (Crowd::default(), Crowd::default());
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            Err(error) => {
                survive(&error).await;
                continue;
            }
        };
        // Answers are small and awaited: waiting to fill a packet only delays them. A failure costs nothing but that.
        let _ = stream.set_nodelay(true);
        let Some(room) = all.enter((), settings.connections).zip(addresses.enter(address, settings.per_address)) else {
            turn_away(&stream);
            continue;
        };
        let held = Held(Arc::new(room));
        connections.spawn(connect(stream, router.clone(), settings, Peer(address), held, stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Serves one connection until its client leaves it or the service stops.
async fn connect(
    stream: TcpStream,
    router: Router,
    settings: Settings,
    neighbour: Peer,
    held: Held,
    stop: CancellationToken,
) {
    let service = service_fn(|mut request: Request<Incoming>| {
        let peer = client(neighbour, request.headers(), settings.proxies);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(held.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.headers)
            .max_header_size(HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    // A client that breaks off, is too slow or speaks something else is its own affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// The client's address: the neighbour's, or what the outermost trusted proxy says. Each proxy appends the address it
/// was asked from, so only the last entries are its word; what stands before them anybody may have written.
pub fn client(neighbour: Peer, headers: &HeaderMap, proxies: usize) -> Peer {
    let Some(outermost) = proxies.checked_sub(1) else { return neighbour };
    let said = headers.get_all("x-forwarded-for");
    let addresses: Vec<&str> = said.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).collect();
    let named = addresses.iter().rev().nth(outermost).and_then(|address| address.trim().parse::<IpAddr>().ok());
    named.map_or(neighbour, |address| Peer(address.to_canonical()))
}

/// Says that there is no room. It fits into any empty send buffer; a client that cannot take it would not read it.
fn turn_away(stream: &TcpStream) {
    let length = FULL.len();
    let head =
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close";
    let _ = stream.try_write(format!("{head}\r\ncontent-length: {length}\r\n\r\n{FULL}").as_bytes());
}

/// An error of one connection is over with it; one of the machine, such as too many open files, needs a moment.
async fn survive(error: &std::io::Error) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
