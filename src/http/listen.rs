//! Accepts connections: limits on their number, timeouts of reads and writes, the address of the client, and a stop
//! that lets begun requests finish.
//! Not here: the answers (`super::router`). Encryption is left to a proxy.
//!
//! A client is counted by its connections. Behind proxies, which carry requests of many clients on one connection, it
//! is counted by its requests and by the streams and sockets they become.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::io_timeout::{Progress, Serving, TimedStream};
use super::keyed_limiter::{KeyedLimiter, Permit};
use crate::access::Peer;
use crate::clock::Sparse;
use crate::engine::fault::Fault;

/// Limits and timeouts of connections.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Concurrent connections; 10,000.
    pub connections: usize,
    /// Concurrent connections of one address, or of one IPv6 network; 256. Behind a proxy: requests, streams and
    /// sockets.
    pub per_address: usize,
    /// Concurrent connections of one IPv6 network of 48 bits, in addition to the limit of its addresses; 2,048.
    pub per_network: usize,
    /// Timeout of a request's headers, for the first ones from the opening of the connection; 5 s.
    pub headers: Duration,
    /// Timeout of an idle connection between requests, including late headers; 30 s.
    pub idle: Duration,
    /// Timeout of a write that makes no progress because the client does not read; 10 s.
    pub write: Duration,
    /// Number of trusted proxies that name their client in `X-Forwarded-For`; 0.
    pub proxies: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_address: 256,
            per_network: 2_048,
            headers: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
            proxies: 0,
        }
    }
}

/// Size limit of a request's head: its request line and all headers.
const HEAD: usize = 32 * 1024;

/// Permits held by a connection as long as it lives, including the socket it may become. Behind proxies they are held
/// by a request until it is answered.
#[derive(Debug, Clone)]
pub struct Held {
    _service: Arc<Permit<()>>,
    _client: Arc<Client>,
}

/// Permits of a counted client, for its address and for its IPv6 network.
#[derive(Debug)]
struct Client {
    _address: Permit<IpAddr>,
    _network: Option<Permit<IpAddr>>,
}

/// Counters of clients by address and network.
#[derive(Debug, Clone, Default)]
struct Clients {
    addresses: KeyedLimiter<IpAddr>,
    networks: KeyedLimiter<IpAddr>,
}

impl Clients {
    /// Counts a client by its client network, as buckets and the throttle do; `None` when the limit is reached.
    fn enter(&self, client: Peer, settings: &Settings) -> Option<Arc<Client>> {
        let address = self.addresses.enter(client.place(), settings.per_address)?;
        let network = match client.network() {
            Some(network) => Some(self.networks.enter(network, settings.per_network)?),
            None => None,
        };
        Some(Arc::new(Client { _address: address, _network: network }))
    }
}

/// Rate-limited log lines that any client could cause, so that no client floods the log.
struct Notes {
    refused: Sparse,
    forwarded: Sparse,
}

impl Default for Notes {
    fn default() -> Self {
        Self { refused: Sparse::new(Duration::from_secs(1)), forwarded: Sparse::new(Duration::from_secs(60)) }
    }
}

impl Notes {
    fn refused(&self, reason: &str) {
        if let Some(left_out) = self.refused.let_through() {
            tracing::warn!(reason, left_out, "refused by rate");
        }
    }

    /// Logs that a forwarding header is not trusted, because the operator may have meant to trust it.
    fn look_at(&self, headers: &HeaderMap, proxies: usize) {
        let forwarded =
            ["x-forwarded-for", "forwarded", "x-real-ip"].into_iter().find(|name| headers.contains_key(*name));
        if let Some(header) = forwarded.filter(|_| proxies == 0)
            && let Some(left_out) = self.forwarded.let_through()
        {
            let fix = "behind a proxy, start with --proxies 1";
            tracing::warn!(
                header,
                left_out,
                fix,
                "a forwarded header is not trusted: clients are counted by their connection"
            );
        }
    }
}

/// Message for a client over the limit.
const FULL: &str = "There are too many connections; try again.";

/// Serves until `stop` is cancelled, then lets begun requests finish.
pub async fn serve(listener: TcpListener, router: Router, settings: Settings, stop: CancellationToken) {
    let (all, clients) = (KeyedLimiter::default(), Clients::default());
    let notes = Arc::new(Notes::default());
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, neighbour) = match accepted {
            Ok((stream, address)) => (stream, Peer(address.ip().to_canonical())),
            Err(error) => {
                survive(&error).await;
                continue;
            }
        };
        // Answers are small and awaited, so waiting to fill a packet only delays them. A failure costs only that delay.
        let _ = stream.set_nodelay(true);
        let Some(service) = all.enter((), settings.connections) else {
            notes.refused("too many connections");
            turn_away(&stream);
            continue;
        };
        let room = match settings.proxies {
            0 => match clients.enter(neighbour, &settings) {
                Some(client) => Room::Entered(client),
                None => {
                    notes.refused("too many connections of an address or network");
                    turn_away(&stream);
                    continue;
                }
            },
            _ => Room::PerRequest(clients.clone()),
        };
        let connection = Accepted {
            router: router.clone(),
            settings,
            neighbour,
            service: Arc::new(service),
            room,
            stop: stop.clone(),
            notes: notes.clone(),
        };
        connections.spawn(connection.serve(stream));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Connection within the limits.
struct Accepted {
    router: Router,
    settings: Settings,
    neighbour: Peer,
    service: Arc<Permit<()>>,
    room: Room,
    stop: CancellationToken,
    notes: Arc<Notes>,
}

/// Counting mode of a connection.
enum Room {
    /// Direct connection of one client, which is counted.
    Entered(Arc<Client>),
    /// Connection of a proxy: the client of each request is counted, the proxy is not.
    PerRequest(Clients),
}

impl Accepted {
    /// Serves until the client leaves or the service stops.
    async fn serve(self, stream: TcpStream) {
        let progress = Progress::default();
        let service = service_fn(|request| self.answer(request, &progress));
        let io = TokioIo::new(TimedStream::new(stream, progress.clone(), self.settings.headers, self.settings.write));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.settings.idle) // counted from the previous answer
                .max_header_size(HEAD)
                .serve_connection(io, service)
                .with_upgrades()
        );
        // An error of one connection, such as a disconnect, a timeout or another protocol, is ignored.
        tokio::select! {
            _ = connection.as_mut() => {}
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, progress: &Progress) -> Result<Response, Infallible> {
        let serving = progress.serving();
        self.notes.look_at(request.headers(), self.settings.proxies);
        let peer = client(self.neighbour, request.headers(), self.settings.proxies);
        let (client, ends_with_answer) = match &self.room {
            Room::Entered(client) => (client.clone(), false),
            Room::PerRequest(clients) => match clients.enter(peer, &self.settings) {
                Some(client) => (client, true),
                None => {
                    self.notes.refused("too many concurrent requests of an address or network");
                    return Ok(refusal());
                }
            },
        };
        let held = Held { _service: self.service.clone(), _client: client };
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(held.clone());
        let response = self.router.clone().oneshot(request.map(Body::new)).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            progress.free();
        }
        let held = ends_with_answer.then_some(held);
        Ok(response.map(|body| Body::new(Holding { body, _serving: serving, _held: held })))
    }
}

/// Body of an answer, with the guards that are released when it is written or abandoned.
struct Holding {
    body: Body,
    _serving: Serving,
    /// Permits of the request; present only behind proxies.
    _held: Option<Held>,
}

impl hyper::body::Body for Holding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns the client's address: the peer's address, or the one that the outermost trusted proxy reports. Each proxy
/// appends the address it was called from, so only the last entries are trustworthy; any client may have written the
/// entries before them.
pub fn client(neighbour: Peer, headers: &HeaderMap, proxies: usize) -> Peer {
    let Some(outermost) = proxies.checked_sub(1) else { return neighbour };
    let said = headers.get_all("x-forwarded-for");
    let addresses: Vec<&str> = said.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).collect();
    let named = addresses.iter().rev().nth(outermost).and_then(|address| address.trim().parse::<IpAddr>().ok());
    named.map_or(neighbour, |address| Peer(address.to_canonical()))
}

/// Refuses a request of a proxy's client that is over the limit.
fn refusal() -> Response {
    let mut response = super::plain(StatusCode::SERVICE_UNAVAILABLE, Fault::Overloaded, FULL);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Writes a refusal before the connection ends. It fits into any empty send buffer; a client that cannot receive it
/// would not read it.
fn turn_away(stream: &TcpStream) {
    let body = format!(r#"{{"errors":[{{"message":"{FULL}","extensions":{{"code":"OVERLOADED"}}}}]}}"#);
    let length = body.len();
    let head =
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close";
    let _ = stream.try_write(format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes());
}

/// Ignores per-connection accept errors, and waits briefly after an error of the machine, such as too many open files.
async fn survive(error: &std::io::Error) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
