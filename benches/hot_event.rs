//! The opening of a sale: concurrent bookings of one hot event through the real HTTP endpoint, decided together by the
//! batcher, compared with the same where the batcher decides one order per transaction. The two alternate in one run;
//! medians count.
//! Not here: correctness (`tests/it`), and other loads.
//!
//! `cargo bench --bench hot_event` runs on SQLite, and on PostgreSQL too if `BOXOFFICE_BENCH_POSTGRES` (or
//! `BOXOFFICE_TEST_POSTGRES`) names a server: `BOXOFFICE_POSTGRES_DURABLE=1 scripts/with-postgres cargo bench --bench
//! hot_event`. Everything runs as in production: numbering, reactions, notices and deliveries of the bookings compete
//! for the database meanwhile. Each database takes less than a minute.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use boxoffice::booking::batcher::Settings;
use boxoffice::db::Target;
use serde_json::{Value, json};
use tokio::task::JoinSet;

mod house;

use house::{Connection, House, Server};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Numbers of customers, with one open request each.
const CROWDS: [usize; 3] = [16, 64, 256];

/// Runs of each number of customers on each side.
const ROUNDS: usize = 3;

/// A run ends after this many bookings, or after this time.
const BOOKINGS: usize = 2_000;
const RUN: Duration = Duration::from_millis(1_500);

/// No run starts on a database after this time.
const ENOUGH: Duration = Duration::from_secs(50);

fn main() {
    // Log lines are made as in production, and dropped.
    tracing_subscriber::fmt().json().with_writer(std::io::sink).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let target = |name: &str| Target::Sqlite(folder.path().join(name));
        measure("sqlite", "synchronous=FULL", target("together.db"), target("alone.db")).await;
        match house::server() {
            Some(url) => {
                let mut server = Server::open(&url).await;
                let (together, alone) = (server.database("together").await, server.database("alone").await);
                measure("postgres", server.durability, together, alone).await;
                server.close().await;
            }
            None => println!("postgres: left out (run it through scripts/with-postgres)"),
        }
    });
}

/// Figures of a run.
#[derive(Clone, Default)]
struct Run {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures both sides with every number of customers, in turn.
async fn measure(database: &str, durability: &str, together: Target, alone: Target) {
    let began = Instant::now();
    let most = CROWDS.into_iter().max().unwrap();
    // Customers here send requests faster than one viewer may.
    let together = House::open(together, most, |options| options.budget = None).await;
    let alone = House::open(alone, most, |options| {
        options.budget = None;
        let usual = Settings::for_db(matches!(options.target, Target::Sqlite(_)));
        options.batcher = Some(Settings { batch_max: 1, ..usual });
    })
    .await;
    let mut rows = Vec::new();
    for crowd in CROWDS {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            if began.elapsed() > ENOUGH {
                break;
            }
            with.push(sell(&together, crowd).await);
            without.push(sell(&alone, crowd).await);
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

/// Returns the median of each figure by itself.
fn median(runs: &[Run]) -> Run {
    let middle = |of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Run { per_second: middle(|run| run.per_second), p50_ms: middle(|run| run.p50_ms), p99_ms: middle(|run| run.p99_ms) }
}

/// Makes one run with a new event and a number of customers, and measures it. Returns when the reactions are done too.
async fn sell(house: &House, crowd: usize) -> Run {
    let event = house.event().await;
    let left = Arc::new(AtomicUsize::new(BOOKINGS));
    let mut connections = Vec::new();
    for token in &house.customers[..crowd] {
        let mut connection = Connection::open(&house.address, token).await;
        // The connection is open and its session cached before the measurement begins.
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
    house.change_set().await;
    run
}
