//! A sale opens: concurrent bookings of one hot event through the real HTTP endpoint, decided together by the desk,
//! against the same with the desk deciding one order per transaction. The two alternate in one run; medians count.
//! Not here: correctness (`tests/it`), and other loads.
//!
//! `cargo bench --bench hot_event` runs on SQLite; with `BOXOFFICE_BENCH_POSTGRES` (or `BOXOFFICE_TEST_POSTGRES`) naming
//! a server, on PostgreSQL too: `BOXOFFICE_POSTGRES_DURABLE=1 scripts/with-postgres cargo bench --bench hot_event`.
//! Everything runs as when serving: numbering, reactions, notices and deliveries of what was booked compete for the
//! database meanwhile. Each database takes less than a minute.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::serve::ListenerExt;
use boxoffice::access::Role;
use boxoffice::account::store as accounts;
use boxoffice::account::token::Keys;
use boxoffice::app::{App, Options};
use boxoffice::booking::desk::Settings;
use boxoffice::clock::Clock;
use boxoffice::db::{self, Db, Lane, Target};
use boxoffice::entity::users;
use boxoffice::id::{OrganizerId, SessionId, UserId};
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Customers who keep one request open each.
const CROWDS: [usize; 3] = [16, 64, 256];

/// Runs of each crowd on each side.
const ROUNDS: usize = 3;

/// A run ends after so many bookings, or after this long.
const BOOKINGS: usize = 2_000;
const RUN: Duration = Duration::from_millis(1_500);

/// No run is begun on a database after this.
const ENOUGH: Duration = Duration::from_secs(50);

const SECRET: &[u8] = b"a secret that only this bench knows, long enough";

fn main() {
    // As when serving, log lines are made; nobody reads them.
    tracing_subscriber::fmt().json().with_writer(std::io::sink).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let target = |name: &str| Target::Sqlite(folder.path().join(name));
        measure("sqlite", "synchronous=FULL", target("together.db"), target("alone.db")).await;
        let variables = ["BOXOFFICE_BENCH_POSTGRES", "BOXOFFICE_TEST_POSTGRES"];
        match variables.iter().find_map(|name| std::env::var(name).ok()) {
            Some(server) => on_postgres(&server).await,
            None => println!("postgres: left out (run it through scripts/with-postgres)"),
        }
    });
}

async fn on_postgres(server: &str) {
    let admin = Database::connect(server).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let mut targets = Vec::new();
    for side in ["together", "alone"] {
        let name = format!("bench_{side}_{}", std::process::id());
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        targets.push((Target::Postgres(format!("{base}/{name}")), name));
    }
    let on =
        db::number(&admin, "SELECT count(*) AS n FROM pg_settings WHERE name = 'fsync' AND setting = 'on'", []).await;
    let durability = if on.unwrap() == 1 { "fsync=on" } else { "fsync=off: NOT DURABLE" };
    measure("postgres", durability, targets[0].0.clone(), targets[1].0.clone()).await;
    for (_, name) in targets {
        admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}

/// What a run found.
#[derive(Clone, Default)]
struct Run {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Both sides, every crowd, in turn.
async fn measure(database: &str, durability: &str, together: Target, alone: Target) {
    let began = Instant::now();
    let together = House::open(together, None).await;
    let alone = House::open(alone, Some(1)).await;
    let mut rows = Vec::new();
    for crowd in CROWDS {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            if began.elapsed() > ENOUGH {
                break;
            }
            with.push(together.sell(crowd).await);
            without.push(alone.sell(crowd).await);
        }
        if !with.is_empty() {
            rows.push((crowd, with.len(), median(&with), median(&without)));
        }
    }
    together.close().await;
    alone.close().await;

    println!("\nhot event on {database} ({durability}), medians of {ROUNDS} runs of up to {BOOKINGS} bookings:");
    println!("customers   together/s    p50 ms    p99 ms       alone/s    p50 ms    p99 ms    ratio");
    for (crowd, _, with, without) in &rows {
        println!(
            "{crowd:>9} {:>12.0} {:>9.1} {:>9.1} {:>13.0} {:>9.1} {:>9.1} {:>7.1}x",
            with.per_second,
            with.p50_ms,
            with.p99_ms,
            without.per_second,
            without.p50_ms,
            without.p99_ms,
            with.per_second / without.per_second,
        );
    }
    let side = |run: &Run| json!({ "per_second": round(run.per_second), "p50_ms": round(run.p50_ms), "p99_ms": round(run.p99_ms) });
    let crowds: Vec<Value> = rows
        .iter()
        .map(|(crowd, runs, with, without)| {
            json!({ "customers": crowd, "runs": runs, "together": side(with), "alone": side(without),
                    "ratio": round(with.per_second / without.per_second) })
        })
        .collect();
    let took = began.elapsed().as_secs();
    println!(
        "{}",
        json!({ "bench": "hot_event", "database": database, "durability": durability, "seconds": took, "crowds": crowds })
    );
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Of each figure by itself.
fn median(runs: &[Run]) -> Run {
    let middle = |of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Run { per_second: middle(|run| run.per_second), p50_ms: middle(|run| run.p50_ms), p99_ms: middle(|run| run.p99_ms) }
}

/// A box office on a database of its own.
struct House {
    app: App,
    address: String,
    organizer: String,
    customers: Vec<String>,
}

impl House {
    async fn open(target: Target, batch_max: Option<usize>) -> Self {
        let mut options = Options::new(target, Keys::new([SECRET]).unwrap());
        if let Some(batch_max) = batch_max {
            let usual = Settings::for_db(matches!(options.target, Target::Sqlite(_)));
            options.desk = Some(Settings { batch_max, ..usual });
        }
        let app = App::start(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (router, stopping) = (app.router(), app.stopping());
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(async move { stopping.cancelled().await }).await
        });
        let organizer = sign_up(&app, Role::Organizer, 0).await;
        let mut customers = Vec::new();
        for n in 1..=CROWDS.into_iter().max().unwrap() {
            customers.push(sign_up(&app, Role::Customer, n).await);
        }
        Self { app, address, organizer, customers }
    }

    /// One run: a new event, a crowd, and how fast it was served. Returns when everything that follows is done too.
    async fn sell(&self, crowd: usize) -> Run {
        let event = self.event().await;
        let left = Arc::new(AtomicUsize::new(BOOKINGS));
        let mut connections = Vec::new();
        for token in &self.customers[..crowd] {
            let mut connection = Connection::open(&self.address, token).await;
            // Open and known before the clock runs.
            connection.ask("{ viewer { id } }", json!({})).await;
            connections.push(connection);
        }
        let began = Instant::now();
        let mut shopping = JoinSet::new();
        for mut connection in connections {
            let (left, event) = (left.clone(), event.clone());
            shopping.spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < RUN {
                    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                    let Ok(nth) = taken else { break };
                    let asked = Instant::now();
                    connection.book(&event, &format!("{event}-{nth}")).await;
                    times.push(asked.elapsed());
                }
                times
            });
        }
        let mut times: Vec<Duration> = shopping.join_all().await.into_iter().flatten().collect();
        let took = began.elapsed();
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
        let run = Run { per_second: times.len() as f64 / took.as_secs_f64(), p50_ms: at(0.5), p99_ms: at(0.99) };
        self.settle().await;
        run
    }

    /// A published event that does not sell out.
    async fn event(&self) -> String {
        let mut organizer = Connection::open(&self.address, &self.organizer).await;
        let at = |days: u64| Clock::System.now().plus(Duration::from_secs(days * 24 * 3_600)).rfc3339();
        let input = json!({ "title": "Hot", "venue": "Hall A", "timeZone": "Europe/Berlin", "capacity": 50_000,
                            "startsAt": at(30), "endsAt": at(31), "price": "15.50" });
        let create = "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id } } }";
        let answer = organizer.ask(create, json!({ "input": input })).await;
        let id = answer["data"]["createEvent"]["event"]["id"].as_str().unwrap().to_owned();
        let publish = "mutation($id: ID!) { publishEvent(input: { eventId: $id }) { event { id } } }";
        organizer.ask(publish, json!({ "id": id })).await;
        id
    }

    /// Waits until nothing of a run is left to do, so that the next one is not charged for it.
    async fn settle(&self) {
        let open = "SELECT (SELECT count(*) FROM fact WHERE seq IS NULL)
                    + (SELECT h.last - c.last FROM stream_head h, consumer c WHERE c.name = 'reactions')
                    + (SELECT count(*) FROM job WHERE state IN ('running', 'available')) AS n";
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while db::number(self.db().read(), open, []).await.unwrap() > 0 {
            pace.tick().await;
        }
    }

    fn db(&self) -> &Db {
        &self.app.ctx.db
    }

    async fn close(self) {
        self.app.stop().await;
    }
}

/// An account put straight into the tables; its token.
async fn sign_up(app: &App, role: Role, nth: usize) -> String {
    let ctx = &app.ctx;
    let (user, session, organizer): (UserId, SessionId, OrganizerId) = (ctx.id(), ctx.id(), ctx.id());
    let row = users::Model {
        id: user,
        email: format!("p{nth}@example.org"),
        email_key: format!("p{nth}@example.org"),
        name: format!("Person {nth}"),
        role,
        password_hash: "none".into(),
        disabled_at: None,
        created_at: ctx.now(),
    };
    let row = &row;
    let enter = |tx: db::Tx| async move {
        accounts::insert_user(&tx, row.clone()).await?;
        if role == Role::Organizer {
            accounts::insert_organizer(&tx, organizer, &row.name, user, ctx.now()).await?;
        }
        accounts::insert_session(&tx, session, user, ctx.now()).await?;
        Ok::<_, boxoffice::account::Error>(())
    };
    ctx.db.write(Lane::Interactive, enter).await.unwrap();
    app.services.sessions.token(user, session).unwrap().0
}

const BOOK: &str = "mutation($input: CreateBookingInput!) { createBooking(input: $input) {
    booked booking { id reference status } userErrors { code } } }";

/// A kept-alive connection. Spoken by hand, because the client shares the machine with what is measured.
struct Connection {
    stream: TcpStream,
    head: String,
    read: Vec<u8>,
}

impl Connection {
    async fn open(address: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
        );
        Self { stream, head, read: Vec::new() }
    }

    async fn book(&mut self, event: &str, key: &str) {
        let input = json!({ "eventId": event, "quantity": 1, "idempotencyKey": key });
        let answer = self.ask(BOOK, json!({ "input": input })).await;
        assert_eq!(answer["data"]["createBooking"]["booked"], 1, "{answer}");
    }

    async fn ask(&mut self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let request = format!("{}content-length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await.unwrap() == 0 {
                panic!("the connection ended: {}", String::from_utf8_lossy(&self.read));
            }
            let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.read[..end]).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            let (from, to) = (end + 4, end + 4 + length.parse::<usize>().unwrap());
            if self.read.len() >= to {
                return serde_json::from_slice(&self.read[from..to]).unwrap();
            }
        }
    }
}
