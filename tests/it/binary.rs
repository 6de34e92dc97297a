//! The program as an operator uses it: first start, restart, stop, help.
//! Not here: refused starts (`refusals`), accounts from the terminal (`user`), the contract (`schema`), sudden death
//! (`kill`).

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use boxoffice::access::Role;
use boxoffice::db::Target;
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::audit::{self, Promise};
use crate::harness::binary::{Call, Ended, Guest, Place, until};
use crate::harness::socket::Socket;
use crate::harness::{Answer, HeldStock, PATIENCE, postgres};

mod config;
mod demo;
mod refusals;
mod schema;
mod sign_ins;
mod user;

/// Returns every file below a folder with its content, except the files that SQLite keeps beside an open database.
fn holdings(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            found.insert(path, Vec::new());
        } else if !["db-wal", "db-shm"].iter().any(|end| path.to_str().unwrap().ends_with(end)) {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const SIGN_UP: &str = "mutation($input: SignUpInput!) { signUp(input: $input) {
    token { accessToken } userErrors { code } } }";

#[tokio::test]
async fn a_first_start_makes_everything_and_a_second_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/yet");
    let serve = || {
        let call = Call::new(["serve", "--listen", "127.0.0.1:0", "--no-demo", "--log-format", "text", "--data"]);
        call.and(&data).begin().ready()
    };
    let first = serve().await;
    assert_eq!((mode(&data), mode(&data.join("secret.key"))), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), holdings(&data).len() - 1 + 2, "nothing is left lying about");
    for file in ["boxoffice.db", "boxoffice.db-wal"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file} is its owner's, whatever folder it is in");
    }
    assert!(data.join("boxoffice.db").is_file());
    let key = std::fs::read_to_string(data.join("secret.key")).unwrap();
    for part in ["/graphiql", "/graphql", "/graphql/ws"] {
        let shown = format!("{}{part}", first.address);
        assert!(first.running.said().contains(&shown), "{shown} is not shown:\n{}", first.running.said());
    }
    let somebody = json!({ "input": { "email": "grace@example.org", "password": "correct horse battery", "name": "Grace",
                                      "role": "CUSTOMER" } });
    let signed_up = Guest::with(None).ask(&first.address, SIGN_UP, somebody).await.ok();
    let grace = Guest::with(Some(signed_up.text("signUp.token.accessToken")));
    first.running.signal(Signal::TERM);
    let first = first.running.ended().await;
    assert_eq!(first.code, Some(0), "{first:?}");

    let second = serve().await;
    let viewer = grace.ask(&second.address, "{ viewer { email } }", json!({})).await.ok();
    assert_eq!(viewer.text("viewer.email"), "grace@example.org", "the token of the first start is good");
    assert_eq!(std::fs::read_to_string(data.join("secret.key")).unwrap(), key);
    second.running.signal(Signal::INT);
    let second = second.running.ended().await;
    for ended in [first, second] {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!format!("{ended:?}").contains(key.trim()), "the key is nobody's business");
    }
}

#[tokio::test]
async fn without_a_command_it_serves_and_settings_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let call = Call::new::<&str>([]).env("BOXOFFICE_LISTEN", "127.0.0.1:0").standing_in(folder.path());
    let served = call.begin().ready().await;
    // No terminal: a line of the log for machines instead of the banner, and nothing on standard output.
    assert!(served.running.said().starts_with('{'), "{}", served.running.said());
    assert!(folder.path().join("data/boxoffice.db").is_file());
    served.running.signal(Signal::TERM);
    let ended = served.running.ended().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    for line in ended.stderr.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "no JSON: {line}");
    }
}

#[tokio::test]
async fn a_flag_counts_more_than_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let call = Call::new(["serve", "--listen", "127.0.0.1:0", "--no-demo", "--data", "flag"]);
    let call = call.env("BOXOFFICE_LISTEN", "nonsense").env("BOXOFFICE_DATA", "env").standing_in(folder.path());
    let served = call.begin().ready().await;
    served.running.kill().await;
    assert!(folder.path().join("flag/boxoffice.db").is_file());
    assert!(!folder.path().join("env").exists());
}

const BOOK: &str = "mutation($input: CreateBookingInput!) { createBooking(input: $input) {
    booked waitlisted booking { id } userErrors { code } } }";

/// Books one ticket after the other until no answer comes; returns the promises, and the key without an answer.
async fn book_until_silence(
    guest: Guest,
    address: String,
    event: String,
    answered: Arc<(AtomicUsize, Notify)>,
) -> (Guest, Vec<Promise>, String) {
    let mut promises = Vec::new();
    for n in 0.. {
        let key = format!("{event}-{n}");
        match order(&guest, &address, &event, &key).await {
            Some(promise) => promises.push(promise),
            None => return (guest, promises, key),
        }
        answered.0.fetch_add(1, Ordering::Relaxed);
        answered.1.notify_one();
    }
    unreachable!("somebody stops it")
}

/// Sends one order; returns none if it was not answered with tickets.
async fn order(guest: &Guest, address: &str, event: &str, key: &str) -> Option<Promise> {
    let input = json!({ "eventId": event, "quantity": 1, "idempotencyKey": key });
    let answer = guest.try_ask(address, BOOK, json!({ "input": input })).await?;
    // A service that stops may say so instead; the order is then repeated as well.
    if !answer.fault().is_empty() {
        return None;
    }
    Some(promised(guest, event, &answer.ok()))
}

fn promised(guest: &Guest, event: &str, answer: &Answer) -> Promise {
    Promise {
        user: guest.user,
        event: event.to_owned(),
        booking: Some(answer.text("createBooking.booking.id")),
        booked: answer.int("createBooking.booked"),
        queued: answer.int("createBooking.waitlisted"),
        cancelled: false,
    }
}

/// Ctrl-c, and the signal of a service manager: sockets are told to reconnect, running requests are answered or can
/// be repeated, and the exit code is 0.
#[apply(scene!)]
async fn stops_when_told_to(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    let organizer = Guest::invite(&db, Role::Organizer, 1).await.remove(0);
    let mut guests = Guest::invite(&db, Role::Customer, 16).await;
    db.close().await;
    let mut promises = Vec::new();
    let mut open: Vec<(Guest, String, String)> = Vec::new();
    for signal in [Signal::INT, Signal::TERM] {
        let served = place.serve().begin().ready().await;
        for (guest, event, key) in open.drain(..) {
            promises.extend(order(&guest, &served.address, &event, &key).await);
        }
        let event = organizer.event(&served.address, 10_000).await;
        let mut sockets = vec![
            Socket::connect(&served.address).await,
            Socket::open(&served.address, None).await,
            Socket::open(&served.address, guests[0].token.as_deref()).await,
        ];
        sockets[2].subscribe("1", "subscription { noticeReceived { cursor } }", json!({})).await;
        sockets[2].next("1").await;
        let answered = Arc::new((AtomicUsize::new(0), Notify::new()));
        let mut booking = JoinSet::new();
        for guest in guests.drain(..) {
            booking.spawn(book_until_silence(guest, served.address.clone(), event.clone(), answered.clone()));
        }
        let some = async {
            while answered.0.load(Ordering::Relaxed) < 50 {
                answered.1.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, some).await.expect("bookings");
        served.running.signal(signal);
        for mut socket in sockets {
            assert_eq!(socket.closed().await.0, 1012);
        }
        let ended = served.running.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.stderr.contains("WARN") && !ended.stderr.contains("ERROR"), "{}", ended.stderr);
        for (guest, made, key) in booking.join_all().await {
            promises.extend(made);
            open.push((guest.clone(), event.clone(), key));
            guests.push(guest);
        }
    }
    let served = place.serve().begin().ready().await;
    for (guest, event, key) in open {
        promises.extend(order(&guest, &served.address, &event, &key).await);
    }
    let db = place.db().await;
    audit::rest(&db).await;
    assert_eq!(audit::complaints(&db, &promises).await, Vec::<String>::new());
}

/// Requests that were running when the signal came are answered before the stop.
#[apply(scene!)]
async fn answers_what_was_begun(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    let organizer = Guest::invite(&db, Role::Organizer, 1).await.remove(0);
    let guests = Guest::invite(&db, Role::Customer, 8).await;
    let served = place.serve().begin().ready().await;
    let event = organizer.event(&served.address, 100).await;
    // Held up at the batcher: the test holds the lock that every order needs first.
    let lock = HeldStock::take(&db, &event).await;
    let mut sockets = Vec::new();
    for guest in &guests {
        let mut socket = Socket::open(&served.address, guest.token.as_deref()).await;
        socket.subscribe("1", BOOK, json!({ "input": { "eventId": event, "quantity": 2 } })).await;
        // Messages are read in order: after the answer to the ping, the order has begun.
        socket.say(json!({ "type": "ping" })).await;
        assert_eq!(socket.message().await["type"], "pong");
        sockets.push(socket);
    }
    served.running.signal(Signal::TERM);
    let heard = || served.running.said().contains("stopping after").then_some(());
    until("it heard the signal", heard).await;
    lock.release().await;
    let mut promises = Vec::new();
    for (guest, mut socket) in guests.iter().zip(sockets) {
        let answer = Answer { status: 200, body: json!({ "data": socket.next("1").await }) }.ok();
        promises.push(promised(guest, &event, &answer));
        assert_eq!(socket.message().await["type"], "complete");
        assert_eq!(socket.closed().await.0, 1012, "{}", served.running.said());
    }
    let ended = served.running.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let served = place.serve().begin().ready().await;
    audit::rest(&db).await;
    assert_eq!(audit::complaints(&db, &promises).await, Vec::<String>::new());
    drop(served);
}

/// The stop waits ten seconds in all, for connections and the tasks behind them together.
#[apply(scene!)]
async fn a_stop_waits_once(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let db = place.db().await;
    let organizer = Guest::invite(&db, Role::Organizer, 1).await.remove(0);
    let guest = Guest::invite(&db, Role::Customer, 1).await.remove(0);
    let served = place.serve().begin().ready().await;
    let event = organizer.event(&served.address, 100).await;
    let lock = HeldStock::take(&db, &event).await;
    let (address, ordered) = (served.address.clone(), event.clone());
    let waits = tokio::spawn(async move { order(&guest, &address, &ordered, "never").await.is_none() });
    let mut socket = Socket::open(&served.address, None).await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    socket.next("1").await;
    served.running.signal(Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(15), served.running.ended()).await;
    assert_eq!(ended.expect("it waited twice").code, Some(0));
    lock.release().await;
    assert!(waits.await.unwrap(), "nothing was promised");
}

mod several_processes_are_told_to_migrate {
    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL: scripts/with-postgres cargo test"]
    async fn postgres() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(&Target::Postgres(postgres::empty_database().await), folder.path());
        let starts: Vec<_> = (0..4).map(|_| place.call(&["migrate"]).begin()).collect();
        for start in starts {
            let ended = start.ended().await;
            assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        }
    }
}

/// Returns the text of `--help`, without the parts that change with each release.
async fn help(arguments: &[&str]) -> String {
    let Ended { code, stdout, stderr } = Call::new(arguments).and("--help").end().await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    let lines: Vec<&str> = stdout.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[tokio::test]
async fn each_command_explains_itself() {
    let commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["migrate"],
        &["user"],
        &["user", "create"],
        &["user", "list"],
        &["user", "password"],
        &["user", "role"],
        &["user", "disable"],
        &["user", "enable"],
        &["demo"],
        &["demo", "accounts"],
        &["demo", "reset"],
        &["demo", "clear"],
        &["schema"],
        &["schema", "print"],
        &["schema", "check"],
        &["schema", "diff"],
    ];
    let mut text = String::new();
    for command in commands {
        let name = ["boxoffice"].iter().chain(*command).copied().collect::<Vec<_>>().join(" ");
        text += &format!("$ {name} --help\n{}\n\n", help(command).await);
    }
    insta::assert_snapshot!("help", text);
    // No command is missing above.
    let named = text.lines().filter(|line| line.starts_with("$ ")).count();
    assert_eq!(named, commands.len());
    for line in
        help(&[]).await.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty())
    {
        let verb = line.split_whitespace().next().unwrap();
        assert!(verb == "help" || commands.iter().any(|command| command.first() == Some(&verb)), "{verb}");
    }
}

#[tokio::test]
async fn its_version_is_the_packages() {
    let ended = Call::new(["--version"]).end().await;
    assert_eq!(ended.stdout, format!("boxoffice {}\n", env!("CARGO_PKG_VERSION")));
}
