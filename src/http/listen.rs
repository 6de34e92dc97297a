//! Connections: how many there may be, how long a client may take to say what it wants and to read what it is told, where
//! it comes from, and a stop that lets begun requests finish.
//! Not here: what is answered (`super::router`). Encryption is a proxy's business.
//!
//! A client is counted where it is known: by its connections, or behind proxies, whose connections carry requests of
//! many, by its requests and by the streams and sockets that they become.

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

/// Numbers and times of connections.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Connections at a time; 10,000.
    pub connections: usize,
    /// Connections of one address, or network of IPv6, at a time; 256. Behind a proxy: requests, streams and sockets.
    pub per_address: usize,
    /// Connections of one IPv6 network of 48 bits at a time, beside those of its addresses; 2,048.
    pub per_network: usize,
    /// How long a request's headers may take, the first ones from the opening of the connection; 5 s.
    pub headers: Duration,
    /// How long a connection may be idle between requests, and late headers included; 30 s.
    pub idle: Duration,
    /// How long a client may read nothing of what it is told; 10 s.
    pub write: Duration,
    /// How many proxies stand in front and name their client in `X-Forwarded-For`; 0.
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

/// Size of a request's head, its line and all headers.
const HEAD: usize = 32 * 1024;

/// What a connection holds as long as it lives, a socket that it became included; behind proxies also what a request holds
/// until it is answered.
#[derive(Debug, Clone)]
pub struct Held {
    _service: Arc<Permit<()>>,
    _client: Arc<Client>,
}

/// A client that is counted, by its address and by its network of IPv6.
#[derive(Debug)]
struct Client {
    _address: Permit<IpAddr>,
    _network: Option<Permit<IpAddr>>,
}

/// The clients that are here.
#[derive(Debug, Clone, Default)]
struct Clients {
    addresses: KeyedLimiter<IpAddr>,
    networks: KeyedLimiter<IpAddr>,
}

impl Clients {
    /// Counts a client by its place, as buckets and the throttle do; none: there is no room for it.
    fn enter(&self, client: Peer, settings: &Settings) -> Option<Arc<Client>> {
        let address = self.addresses.enter(client.place(), settings.per_address)?;
        let network = match client.network() {
            Some(network) => Some(self.networks.enter(network, settings.per_network)?),
            None => None,
        };
        Some(Arc::new(Client { _address: address, _network: network }))
    }
}

/// Lines of the log that every client could cause, so that none of them floods it.
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

    /// Says that the word of a proxy is not believed, which an operator may have meant to allow.
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
                "a forwarded header is not trusted: clients count by their connection"
            );
        }
    }
}

/// Said to whoever finds no room.
const FULL: &str = "There are too many connections; try again.";

/// Serves until `stop`, then lets begun requests finish.
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
        // Answers are small and awaited: waiting to fill a packet only delays them. A failure costs nothing but that.
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

/// A connection that found room.
struct Accepted {
    router: Router,
    settings: Settings,
    neighbour: Peer,
    service: Arc<Permit<()>>,
    room: Room,
    stop: CancellationToken,
    notes: Arc<Notes>,
}

/// How its clients are counted.
enum Room {
    /// It has one client, which is counted.
    Entered(Arc<Client>),
    /// It is a proxy's: whoever it brings is counted, it is not.
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
                .header_read_timeout(self.settings.idle) // counts from the answer before
                .max_header_size(HEAD)
                .serve_connection(io, service)
                .with_upgrades()
        );
        // A client that breaks off, is too slow or speaks something else is its own affair.
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
                    self.notes.refused("too many requests of an address or network at a time");
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

/// The body of an answer, and what ends when it is written or given up.
struct Holding {
    body: Body,
    _serving: Serving,
    /// Behind proxies.
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

/// The client's address: the neighbour's, or what the outermost trusted proxy says. Each proxy appends the address it
/// was asked from, so only the last entries are its word; what stands before them anybody may have written.
pub fn client(neighbour: Peer, headers: &HeaderMap, proxies: usize) -> Peer {
    let Some(outermost) = proxies.checked_sub(1) else { return neighbour };
    let said = headers.get_all("x-forwarded-for");
    let addresses: Vec<&str> = said.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).collect();
    let named = addresses.iter().rev().nth(outermost).and_then(|address| address.trim().parse::<IpAddr>().ok());
    named.map_or(neighbour, |address| Peer(address.to_canonical()))
}

/// Says to one client of a proxy that there is no room for more of its requests.
fn refusal() -> Response {
    let mut response = super::plain(StatusCode::SERVICE_UNAVAILABLE, Fault::Overloaded, FULL);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Says that there is no room before the connection ends. It fits into any empty send buffer; a client that cannot take
/// it would not read it.
fn turn_away(stream: &TcpStream) {
    let body = format!(r#"{{"errors":[{{"message":"{FULL}","extensions":{{"code":"OVERLOADED"}}}}]}}"#);
    let length = body.len();
    let head =
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close";
    let _ = stream.try_write(format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes());
}

/// An error of one connection is over with it; one of the machine, such as too many open files, needs a moment.
async fn survive(error: &std::io::Error) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
