//! Bookings under attack: the 99th percentile of bookings at a steady pace, without an attack and with a thousand slow
//! sockets, a client with document bombs and a flood of sign-ins, in turns within one run.
//! Not here: the refusal of each attack (`tests/it/edge`), and the speed of a sale (`hot_event`).
//!
//! `cargo bench --bench under_attack`; with `scripts/with-postgres` on PostgreSQL too. Attackers share the machine with
//! the service, so the cost of their own work counts as damage; the client with bombs therefore keeps a pace, because
//! without one it would take a core for itself. All limits are the usual ones but one: all clients have one address
//! here, so an address may have any number of connections. Sign-ins come in two kinds: many from one network, which the
//! throttle refuses, and some from many networks, each on another account, which no counter stops and of which each
//! costs a hash.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on panics")]

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use boxoffice::db::Target;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

mod house;

use house::{Connection, House, Server};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of customers, and the pace of each: within the limits of a viewer.
const CUSTOMERS: usize = 40;
const PACE: Duration = Duration::from_millis(400);

/// Duration and number of the measurements of each side.
const RUN: Duration = Duration::from_secs(6);
const ROUNDS: usize = 7;

/// Number of sockets that subscribe and never read, and of connections that send a header a letter at a time.
const DEAF: usize = 500;
const STUTTERING: usize = 500;

/// Interval between document bombs.
const BOMB: Duration = Duration::from_millis(4);

/// Intervals between password attempts from one network, and from many.
const STUBBORN: Duration = Duration::from_millis(2);
const SPREAD: Duration = Duration::from_millis(50);

fn main() {
    tracing_subscriber::fmt().json().with_writer(std::io::sink).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        measure("sqlite", "synchronous=FULL", Target::Sqlite(folder.path().join("box.db"))).await;
        match house::server() {
            Some(url) => {
                let mut server = Server::open(&url).await;
                let target = server.database("attack").await;
                measure("postgres", server.durability, target).await;
                server.close().await;
            }
            None => println!("postgres: left out (run it through scripts/with-postgres)"),
        }
    });
}

async fn measure(database: &str, durability: &str, target: Target) {
    let house = House::open(target, CUSTOMERS, |options| options.connections.proxies = 1).await;
    let event = house.event().await;
    let (mut quiet, mut attacked) = (Vec::new(), Vec::new());
    book(&house, &event, "warm").await;
    for round in 0..ROUNDS {
        quiet.push(book(&house, &event, &format!("q{round}")).await);
        let attack = Attack::begin(&house.address, &event).await;
        attacked.push(book(&house, &event, &format!("a{round}")).await);
        attack.end().await;
        house.change_set().await;
    }
    house.close().await;
    let (quiet, attacked) = (median(quiet), median(attacked));
    println!(
        "\nbooking under attack on {database} ({durability}), medians of {ROUNDS} runs, {CUSTOMERS} customers each booking every {} ms:",
        PACE.as_millis()
    );
    println!("           p50 ms    p99 ms");
    println!("in peace {:>8.1} {:>9.1}", quiet.0, quiet.1);
    println!("attacked {:>8.1} {:>9.1}", attacked.0, attacked.1);
    println!("p99 attacked / in peace: {:.2}", attacked.1 / quiet.1);
    println!(
        "{}",
        json!({ "bench": "under_attack", "database": database, "quiet_p99_ms": quiet.1, "attacked_p99_ms": attacked.1,
                "ratio": attacked.1 / quiet.1 })
    );
}

fn median(mut runs: Vec<(f64, f64)>) -> (f64, f64) {
    runs.sort_by(|a, b| a.1.total_cmp(&b.1));
    runs[runs.len() / 2]
}

/// Books for every customer at the pace; returns the 50th and 99th percentile in milliseconds, counted from the due
/// time of each booking.
async fn book(house: &House, event: &str, run: &str) -> (f64, f64) {
    let mut customers = JoinSet::new();
    for (nth, token) in house.customers.iter().enumerate() {
        let mut connection = Connection::open(&house.address, token).await;
        connection.ask("{ viewer { id } }", json!({})).await;
        let (event, run) = (event.to_owned(), run.to_owned());
        // Due times are fixed in advance: a delayed customer books late, and that counts.
        let mut pace = interval_at(Instant::now() + PACE.mul_f64(nth as f64 / CUSTOMERS as f64), PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        customers.spawn(async move {
            let mut times = Vec::new();
            for booking in 0..RUN.as_millis() / PACE.as_millis() {
                let due = pace.tick().await;
                connection.book(&event, &format!("{run}-{booking}")).await;
                times.push(due.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = customers.join_all().await.into_iter().flatten().collect();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    (at(0.5), at(0.99))
}

struct Attack {
    stop: CancellationToken,
    attackers: JoinSet<()>,
}

impl Attack {
    async fn begin(address: &str, event: &str) -> Self {
        let stop = CancellationToken::new();
        let mut attackers = JoinSet::new();
        let mut deaf = Vec::new();
        for _ in 0..DEAF {
            deaf.push(subscribe(address, event).await);
        }
        let until = stop.clone();
        attackers.spawn(async move {
            until.cancelled().await;
            drop(deaf);
        });
        for _ in 0..STUTTERING {
            let (address, until) = (address.to_owned(), stop.clone());
            attackers.spawn(async move {
                until.run_until_cancelled(stutter(&address)).await;
            });
        }
        let (target, until) = (address.to_owned(), stop.clone());
        attackers.spawn(async move {
            until.run_until_cancelled(bomb(&target)).await;
        });
        for (pace, everywhere) in [(STUBBORN, false), (SPREAD, true)] {
            let (address, until) = (address.to_owned(), stop.clone());
            attackers.spawn(async move {
                until.run_until_cancelled(guess(&address, pace, everywhere)).await;
            });
        }
        Self { stop, attackers }
    }

    async fn end(self) {
        self.stop.cancel();
        self.attackers.join_all().await;
    }
}

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

/// Subscribes to every change and never reads: the buffers between the two are small, so that the service soon has to
/// wait.
async fn subscribe(address: &str, event: &str) -> Socket {
    let mut request = format!("ws://{address}/graphql/ws").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let stream = TcpSocket::new_v4().unwrap();
    stream.set_recv_buffer_size(4_096).unwrap();
    let stream = stream.connect(address.parse().unwrap()).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let say = |message: serde_json::Value| Message::text(message.to_string());
    socket.send(say(json!({ "type": "connection_init" }))).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let query = format!(
        "subscription {{ availabilityChanged(eventId: \"{event}\") {{ available capacity held revision sold waiting }} }}"
    );
    socket.send(say(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))).await.unwrap();
    socket
}

/// Sends a letter of a header each second, over and over.
async fn stutter(address: &str) {
    let mut pace = interval(Duration::from_secs(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let mut alive = stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-slow: ").await.is_ok();
        while alive {
            pace.tick().await;
            alive = stream.write_all(b"a").await.is_ok();
        }
    }
}

/// Sends documents with fragments that multiply.
async fn bomb(address: &str) {
    let levels: String =
        (0..40).map(|n| format!("fragment F{n} on Query {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    let doubling = format!("query {{ ...F0 }} {levels} fragment F40 on Query {{ __typename }}");
    let aliases: String = (0..1_000).map(|n| format!("a{n}: __typename ")).collect();
    let documents = [doubling, format!("{{ {aliases} }}"), "{ a".repeat(60), "[".repeat(15_000)];
    let mut connection = Connection::open(address, "").await;
    let mut pace = interval(BOMB);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for document in documents.iter().cycle() {
        pace.tick().await;
        let answer = connection.ask(document, json!({})).await;
        assert!(answer["errors"].is_array(), "{answer}");
    }
}

/// Tries passwords, one after the other; from one network, or each from another and on another account.
async fn guess(address: &str, pace: Duration, everywhere: bool) {
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    let sign_in = "mutation($input: SignInInput!) { signIn(input: $input) { userErrors { code } } }";
    let mut connection = Connection::open(address, "").await;
    let mut pace = interval(pace);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
        let place = if everywhere { 0x0A00_0000 + attempt } else { 0x0B00_0000 };
        connection.forwarded_for = Some(Ipv4Addr::from_bits(place).to_string());
        let input = json!({ "email": format!("guessed{attempt}@example.org"), "password": "wrong password" });
        let answer = connection.ask(sign_in, json!({ "input": input })).await;
        let hashed = answer["data"]["signIn"]["userErrors"][0]["code"] == "INVALID_CREDENTIALS";
        assert!(hashed || !everywhere, "{answer}");
    }
}
