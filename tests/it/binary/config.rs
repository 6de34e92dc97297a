//! Settings from a file, and the production profile.
//! Not here: the effect of each setting.

use std::collections::BTreeSet;
use std::path::Path;

use boxoffice::access::Role;
use boxoffice::account::token::Keys;
use boxoffice::app::Options;
use boxoffice::cli::database::DatabaseArgs;
use boxoffice::cli::limits::LimitArgs;
use boxoffice::clock::Clock;
use boxoffice::db::{self, Target};
use boxoffice::demo;
use clap::{Args, Command, FromArgMatches};
use serde_json::json;

use super::refusals::refuses;
use crate::harness::binary::{Call, Guest, Place, secret};

fn write(folder: &Path, text: &str) {
    std::fs::write(folder.join("boxoffice.toml"), text).unwrap();
}

/// Returns the depth that is allowed. `{ a { a { … } } }` is refused for its depth before the fields are looked up.
async fn allowed_depth(address: &str) -> usize {
    for levels in 1.. {
        let query = format!("{}a{}", "{ a ".repeat(levels), " }".repeat(levels));
        if Guest::with(None).ask(address, &query, json!({})).await.fault() == "TOO_COSTLY" {
            return levels - 1;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_file_counts_more_than_defaults_and_less_than_environment_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "listen = \"127.0.0.1:0\"\nno_demo = true\nmax_depth = 4\ndata = \"elsewhere\"\n");
    let call = || Call::new(["serve"]).standing_in(folder.path());
    let served = call().begin().ready().await;
    assert_eq!(allowed_depth(&served.address).await, 4);
    assert!(folder.path().join("elsewhere/boxoffice.db").is_file());
    let served = call().env("BOXOFFICE_MAX_DEPTH", "5").begin().ready().await;
    assert_eq!(allowed_depth(&served.address).await, 5);
    let served = call().env("BOXOFFICE_MAX_DEPTH", "5").and("--max-depth").and("6").begin().ready().await;
    assert_eq!(allowed_depth(&served.address).await, 6);
    // Other commands read it too, and another file can be named.
    let accounts = Call::new(["demo", "accounts"]).standing_in(folder.path()).end().await;
    assert!(accounts.stdout.contains("has no demo"), "{accounts:?}");
    std::fs::rename(folder.path().join("boxoffice.toml"), folder.path().join("other.toml")).unwrap();
    let served = call().and("--config").and("other.toml").begin().ready().await;
    assert_eq!(allowed_depth(&served.address).await, 4);
}

#[tokio::test]
async fn without_a_command_every_flag_is_one_of_serve() {
    let folder = tempfile::tempdir().unwrap();
    let served = Call::new(["--listen", "127.0.0.1:0", "--no-demo"]).standing_in(folder.path()).begin().ready().await;
    drop(served);
    write(folder.path(), "max_depth = 4\n");
    std::fs::rename(folder.path().join("boxoffice.toml"), folder.path().join("other.toml")).unwrap();
    for first in [["--config", "other.toml"].as_slice(), &["--config=other.toml"]] {
        let flags = ["--listen=127.0.0.1:0", "--no-demo"];
        let served = Call::new(first.iter().chain(&flags)).standing_in(folder.path()).begin().ready().await;
        assert_eq!(allowed_depth(&served.address).await, 4);
        let served = Call::new(flags.iter().chain(first)).standing_in(folder.path()).begin().ready().await;
        assert_eq!(allowed_depth(&served.address).await, 4);
    }
    let said = async |arguments: &[&str]| Call::new(arguments).standing_in(folder.path()).end().await;
    for (arguments, code, text) in [
        (["--help"].as_slice(), 0, "boxoffice <COMMAND>"),
        (&["--version"], 0, concat!("boxoffice ", env!("CARGO_PKG_VERSION"))),
        (&["--listen", "127.0.0.1:0", "--help"], 0, "--max-depth"),
        (&["--lisen", "127.0.0.1:0"], 2, "'--listen'"),
        (&["--config"], 2, "a value is required for '--config <FILE>'"),
        (&["--listen", "127.0.0.1:0", "migrate"], 2, "unexpected argument 'migrate'"),
    ] {
        let ended = said(arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(text), "{arguments:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for (text, error, fix) in [
        ("listn = \"127.0.0.1:0\"", "there is no setting listn", "did you mean listen?"),
        ("listen = \n", "boxoffice.toml, line 1: ", "one setting per line"),
        ("data = \"x\"\n\nlisten = [", "boxoffice.toml, line 3: ", "one setting per line"),
        ("data = 1\ndata = 2", "line 2: duplicate key", "one setting per line"),
        ("max_depth = 1.5", "max_depth must be a string, a whole number", "--help"),
        ("[limits]\nmax_depth = 5", "there is no setting limits", "--help"),
        ("config = \"other.toml\"", "there is no setting config", "--help"),
    ] {
        write(folder.path(), text);
        for arguments in [&["serve"][..], &["migrate"], &[]] {
            let ended = Call::new(arguments).standing_in(folder.path()).end().await;
            refuses(&ended, 2, error, fix);
        }
    }
    write(folder.path(), "max_depth = \"deep\"");
    let ended = Call::new(["serve"]).standing_in(folder.path()).end().await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("boxoffice.toml") && ended.stderr.contains("invalid value 'deep'"), "{ended:?}");
    let ended = Call::new(["serve", "--config", "nowhere.toml"]).standing_in(folder.path()).end().await;
    refuses(&ended, 2, "cannot read nowhere.toml", "--config FILE");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

#[tokio::test]
async fn production_shows_strangers_as_little_as_possible() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&Target::Sqlite(folder.path().join("boxoffice.db")), folder.path());
    let call = place.call(&["serve", "--production", "--listen", "127.0.0.1:0", "--log-format", "text"]);
    let served = call.begin().ready().await;
    assert!(!served.running.said().contains("/graphiql"), "{}", served.running.said());
    let ask = async |query: &str| Guest::with(None).ask(&served.address, query, json!({})).await;
    for query in ["{ __schema { types { name } } }", "{ __type(name: \"Event\") { name } }"] {
        let answer = ask(query).await;
        assert_eq!((answer.status, answer.fault()), (403, "FORBIDDEN"), "{}", answer.body);
        assert!(answer.body.get("data").is_none(), "{}", answer.body);
        assert!(!answer.body.to_string().contains("Event\""), "{}", answer.body);
    }
    let guess = ask("{ evnts { id } }").await;
    assert_eq!(guess.fault(), "GRAPHQL_VALIDATION_FAILED");
    assert!(!guess.body.to_string().contains("events"), "a guess is not completed: {}", guess.body);
    ask("{ events(first: 1) { nodes { id } } }").await.ok();
    assert_eq!(ask("{ __typename }").await.ok().text("__typename"), "Query");
    for path in ["/graphiql", "/", "/graphiql/demo.json", "/graphiql/assets/index.html"] {
        let page = reqwest::get(format!("http://{}{path}", served.address)).await.unwrap();
        assert_eq!(page.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn production_refuses_what_is_unsafe() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&Target::Sqlite(folder.path().join("boxoffice.db")), folder.path());
    let serve = || place.call(&["serve", "--production", "--listen", "127.0.0.1:0"]);
    let weak = serve().env("BOXOFFICE_JWT_SECRET", "too short").end().await;
    refuses(&weak, 4, "BOXOFFICE_JWT_SECRET is too weak", "openssl rand");
    let monotonous = serve().env("BOXOFFICE_JWT_SECRET", "change me ".repeat(8)).end().await;
    refuses(&monotonous, 4, "BOXOFFICE_JWT_SECRET is too weak (8 different bytes, need 10 or more)", "openssl rand");
    let none = Call::new(["serve", "--production", "--listen", "127.0.0.1:0", "--data"]).and(folder.path()).end().await;
    refuses(&none, 4, "BOXOFFICE_JWT_SECRET is not set", "openssl rand");
    assert!(!folder.path().join("secret.key").exists(), "none is made up instead");
    for flag in ["--demo", "--allow-demo"] {
        refuses(&serve().and(flag).end().await, 4, "accounts usable whose password is public", "leave --demo");
    }
    for (flag, value) in [("--bucket-points", "0"), ("--bucket-points", "4000000000"), ("--max-cost", "4000000000")] {
        let endless = serve().and(flag).and(value).end().await;
        refuses(&endless, 4, &format!("{flag} is effectively unlimited"), &format!("leave {flag} out"));
    }
    let db = place.db().await;
    demo::make(&db, Clock::System.now()).await.unwrap();
    refuses(&serve().end().await, 4, "the database has demo accounts", "boxoffice demo clear");
    // After `demo clear` it starts; the clearing spares a real account.
    Guest::invite(&db, Role::Customer, 1).await;
    let cleared = place.call(&["demo", "clear"]).end().await;
    assert_eq!(cleared.code, Some(0), "{cleared:?}");
    serve().begin().ready().await;
    assert!(secret().len() >= 32);
}

fn limits(flags: &[&str]) -> LimitArgs {
    let command = LimitArgs::augment_args(Command::new("limits").no_binary_name(true));
    LimitArgs::from_arg_matches(&command.try_get_matches_from(flags).unwrap()).unwrap()
}

/// Returns the settings after the flags of the limits.
fn limited(flags: &[&str]) -> Options {
    let mut options = Options::new(Target::Sqlite("unused".into()), Keys::new([secret().as_bytes()]).unwrap());
    limits(flags).apply(&mut options);
    options
}

type Reads = fn(&Options) -> u64;

/// Each flag with the setting that it changes.
const FLAGS: &[(&str, Reads)] = &[
    ("max-body-bytes", |o| o.body.bytes as u64),
    ("body-seconds", |o| o.body.within.as_secs()),
    ("max-document-bytes", |o| o.limits.document_bytes as u64),
    ("max-tokens", |o| o.limits.tokens as u64),
    ("max-depth", |o| o.limits.depth),
    ("max-aliases", |o| o.limits.aliases),
    ("max-directives", |o| o.limits.directives),
    ("max-root-fields", |o| o.limits.root_fields),
    ("max-fragments", |o| o.limits.fragments as u64),
    ("max-operations", |o| o.limits.operations as u64),
    ("max-cost", |o| o.limits.cost),
    ("max-answer-fields", |o| o.limits.answer),
    ("max-subscription-cost", |o| o.limits.subscription),
    ("bucket-points", |o| o.budget.map_or(0, |budget| budget.points.get().into())),
    ("bucket-per-second", |o| o.budget.map_or(0, |budget| budget.per_second.get().into())),
    ("buckets-per-address", |o| o.budget.map_or(0, |budget| budget.address_factor.get().into())),
    ("query-seconds", |o| o.patience.as_secs()),
    ("mutation-seconds", |o| o.mutation_patience.as_secs()),
    ("header-seconds", |o| o.connections.headers.as_secs()),
    ("idle-seconds", |o| o.connections.idle.as_secs()),
    ("max-connections", |o| o.connections.connections as u64),
    ("max-connections-per-address", |o| o.connections.per_address as u64),
    ("max-connections-per-network", |o| o.connections.per_network as u64),
    ("proxies", |o| o.connections.proxies as u64),
    ("max-sockets-per-user", |o| o.sockets.per_user as u64),
    ("max-socket-operations", |o| o.sockets.operations as u64),
    ("max-socket-message-bytes", |o| o.sockets.message as u64),
    ("socket-messages-per-second", |o| o.sockets.messages_per_second.get().into()),
    ("socket-init-seconds", |o| o.sockets.init.as_secs()),
    ("free-passwords", |o| o.throttle.unwrap().account_network.free.unsigned_abs()),
    ("free-passwords-per-address", |o| o.throttle.unwrap().network.free.unsigned_abs()),
    ("free-passwords-per-account", |o| o.throttle.unwrap().account.free.unsigned_abs()),
    ("free-sign-ups", |o| o.throttle.unwrap().sign_up.free.unsigned_abs()),
    ("free-refreshes", |o| o.throttle.unwrap().refresh.free.unsigned_abs()),
];

#[test]
fn each_limit_arrives_where_it_belongs_and_nowhere_else() {
    let usual = limited(&[]);
    let known = LimitArgs::augment_args(Command::new("limits"));
    let known: BTreeSet<&str> = known.get_arguments().filter_map(|flag| flag.get_long()).collect();
    assert_eq!(FLAGS.iter().map(|(flag, _)| *flag).collect::<BTreeSet<_>>(), known);
    for (flag, read) in FLAGS {
        let set = limited(&[&format!("--{flag}"), "77"]);
        assert_eq!(read(&set), 77, "{flag}");
        for (other, read) in FLAGS.iter().filter(|(other, _)| other != flag) {
            assert_eq!(read(&set), read(&usual), "{flag} changes {other}");
        }
    }
}

/// Returns the settings after the flags of the database.
fn database(flags: &[&str]) -> db::Settings {
    let command = DatabaseArgs::augment_args(Command::new("database")).no_binary_name(true);
    DatabaseArgs::from_arg_matches(&command.try_get_matches_from(flags).unwrap()).unwrap().settings()
}

type ReadsDatabase = fn(&db::Settings) -> u64;

/// Each flag of the database with its setting; 0 if not set.
const DATABASE_FLAGS: &[(&str, ReadsDatabase)] = &[
    ("db-read-connections", |s| s.read_connections.unwrap_or(0).into()),
    ("db-reserved-connections", |s| s.reserved_connections.unwrap_or(0).into()),
    ("db-write-connections", |s| s.write_connections.into()),
    ("db-acquire-seconds", |s| s.acquire.map_or(0, |acquire| acquire.as_secs())),
    ("db-lock-seconds", |s| s.lock.as_secs()),
    ("db-statement-seconds", |s| s.statement.as_secs()),
    ("db-idle-seconds", |s| s.idle_in_transaction.as_secs()),
    ("db-busy-seconds", |s| s.busy.as_secs()),
    ("db-queue-seconds", |s| s.queue.as_secs()),
    ("db-commit-answer-seconds", |s| s.commit_answer.as_secs()),
];

#[test]
fn each_setting_of_the_database_arrives_where_it_belongs_and_nowhere_else() {
    let usual = database(&[]);
    assert_eq!(usual, db::Settings::default());
    let known = DatabaseArgs::augment_args(Command::new("database"));
    let known: BTreeSet<&str> = known.get_arguments().filter_map(|flag| flag.get_long()).collect();
    assert_eq!(DATABASE_FLAGS.iter().map(|(flag, _)| *flag).collect::<BTreeSet<_>>(), known);
    for (flag, read) in DATABASE_FLAGS {
        let set = database(&[&format!("--{flag}"), "77"]);
        assert_eq!(read(&set), 77, "{flag}");
        for (other, read) in DATABASE_FLAGS.iter().filter(|(other, _)| other != flag) {
            assert_eq!(read(&set), read(&usual), "{flag} changes {other}");
        }
    }
}

#[test]
fn production_knows_each_limit_that_bounds_nothing() {
    assert_eq!(limits(&[]).unsafe_one(), None);
    // The number of proxies is no limit.
    for (name, _) in FLAGS.iter().filter(|(name, _)| *name != "proxies") {
        let flag = format!("--{name}");
        assert_eq!(limits(&[&flag, "4000000000"]).unsafe_one(), Some(flag.as_str()));
    }
}
