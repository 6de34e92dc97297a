//! The disk is full while customers book, then there is room again, then the program is killed: every acknowledged
//! booking exists.
//! Not here: the same with a limit inside SQLite (`storage`); the seller that loses bookings this way
//! (`negative_control`).
//!
//! A limit on the size of files replaces the full disk, because any user may set it. SQLite then fails with `IOERR`
//! instead of `FULL`, and both roll back by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use boxoffice::access::Role;
use boxoffice::db::Target;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{BOOK, Round};
use crate::audit::{self, Promise};
use crate::harness::binary::{Guest, Place, until};
use crate::harness::{Answer, PATIENCE, Stage};

/// Number of times that the disk is full.
const ROUNDS: usize = 3;

const CUSTOMERS: usize = 6;

/// Books one ticket after the other, and repeats a failed order with its key, until the round ends.
async fn shop(guest: Guest, address: String, event: String, prefix: String, round: Arc<Full>) -> Vec<Promise> {
    let mut promises = Vec::new();
    for n in 0.. {
        let input = json!({ "eventId": event, "quantity": 1, "idempotencyKey": format!("{prefix}-{n}") });
        loop {
            let answer = guest.ask(&address, BOOK, json!({ "input": input })).await;
            match answer.fault() {
                "" => {
                    promises.push(promise(&guest, &event, &answer.ok()));
                    round.booked.answers.fetch_add(1, Ordering::Relaxed);
                    round.booked.heard.notify_one();
                    break;
                }
                "OVERLOADED" | "INTERNAL" => {
                    round.failed.fetch_add(1, Ordering::Relaxed);
                    super::ticks(3, Duration::from_millis(5)).await;
                }
                _ => panic!("{}", answer.body),
            }
        }
        if round.over.load(Ordering::Relaxed) {
            break;
        }
    }
    promises
}

fn promise(guest: &Guest, event: &str, answer: &Answer) -> Promise {
    Promise {
        user: guest.user,
        event: event.to_owned(),
        booking: answer.at("createBooking.booking.id").as_str().map(str::to_owned),
        booked: answer.int("createBooking.booked"),
        queued: 0,
        cancelled: false,
    }
}

#[derive(Default)]
struct Full {
    booked: Round,
    failed: AtomicUsize,
    over: AtomicBool,
}

/// Returns the code of `/readyz`, null if it is ready.
async fn readiness(address: &str) -> Value {
    let answer = reqwest::get(format!("http://{address}/readyz")).await.unwrap();
    answer.json::<Value>().await.unwrap()["code"].take()
}

async fn until_readiness(address: &str, is_it: impl Fn(&Value) -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let asked = async {
        while !is_it(&readiness(address).await) {
            pace.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("another readiness");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_disk_is_full() {
    let stage = Stage::sqlite();
    let Target::Sqlite(path) = &stage.target else { unreachable!("asked for") };
    let wal = path.with_extension("db-wal");
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    let organizer = Guest::invite(&db, Role::Organizer, 1).await.remove(0);
    let guests = Guest::invite(&db, Role::Customer, CUSTOMERS).await;
    db.close().await;

    // No bucket: customers who cannot book send many requests.
    let serve = || place.serve().and("--bucket-points").and("0").surviving_full_files();
    let mut served = serve().begin().ready().await;
    let event = organizer.event(&served.address, 50_000).await;
    let (mut promises, mut failed) = (Vec::new(), 0);
    for nth in 0..ROUNDS {
        let round = Arc::new(Full::default());
        let mut shopping = JoinSet::new();
        for (who, guest) in guests.iter().enumerate() {
            let prefix = format!("{nth}-{who}");
            shopping.spawn(shop(guest.clone(), served.address.clone(), event.clone(), prefix, round.clone()));
        }
        round.booked.answered(30).await;
        let size = std::fs::metadata(&wal).unwrap().len();
        served.running.limit_files(Some(size));
        until_readiness(&served.address, |code| !code.is_null()).await;
        until("bookings fail", || (round.failed.load(Ordering::Relaxed) > 2 * CUSTOMERS).then_some(())).await;
        served.running.limit_files(None);
        until_readiness(&served.address, Value::is_null).await;
        let before = round.booked.answers.load(Ordering::Relaxed);
        round.booked.answered(before + 30).await;
        round.over.store(true, Ordering::Relaxed);
        promises.extend(shopping.join_all().await.into_iter().flatten());
        failed += round.failed.load(Ordering::Relaxed);
        served.running.kill().await;
        served = serve().begin().ready().await;
    }
    let db = place.db().await;
    audit::rest(&db).await;
    served.running.signal(Signal::TERM);
    let ended = served.running.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    println!("full {ROUNDS} times: {} bookings answered, {failed} failed", promises.len());
    assert_eq!(audit::complaints(&db, &promises).await, Vec::<String>::new());
}
