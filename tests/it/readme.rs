//! What the README shows is what the program does: banner, first answer, settings, links.
//! Not here: claims about speed; benches print those.

use std::collections::BTreeSet;
use std::path::Path;

use boxoffice::cli::Cli;
use boxoffice::demo::cast::EVENTS;
use clap::CommandFactory;
use regex::Regex;
use serde_json::Value;

use crate::harness::binary::Call;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The code block behind a marker.
fn block(marker: &str) -> String {
    let text = readme();
    let behind = text.split_once(&format!("<!-- {marker}:")).unwrap_or_else(|| panic!("no marker {marker}")).1;
    let block = behind.split_once("```").unwrap().1.split_once('\n').unwrap().1;
    block.split_once("\n```").unwrap().0.to_owned()
}

/// What differs from start to start: port, seconds, and how many bookings chance made.
fn levelled(banner: &str) -> Vec<String> {
    let port = Regex::new(r"(127\.0\.0\.1|0\.0\.0\.0):\d+").unwrap();
    let seconds = Regex::new(r"in \d+\.\d s").unwrap();
    let bookings = Regex::new(r"\d+ bookings").unwrap();
    let text = port.replace_all(banner, "$1:8080");
    let text = seconds.replace_all(&text, "in 0.4 s");
    let text = bookings.replace_all(&text, "204 bookings");
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[tokio::test]
async fn the_banner_and_the_first_answer_are_real() {
    let folder = tempfile::tempdir().unwrap();
    let serve = || {
        Call::new(["serve", "--listen", "127.0.0.1:0", "--log-format", "text"])
            .standing_in(folder.path())
            .begin()
            .ready()
    };
    let served = serve().await;
    let query =
        r#"{"query":"{ event(slug: \"rust-nation\") { title venue availability { capacity sold available } } }"}"#;
    assert!(readme().replace("\\\"", "\"").contains(&query.replace("\\\"", "\"")), "the README shows this query");
    let request = reqwest::Client::new().post(format!("http://{}/graphql", served.address));
    let answer =
        request.header("content-type", "application/json").body(query).send().await.unwrap().text().await.unwrap();
    assert_eq!(answer, block("answer"), "to the letter");
    served.running.signal(rustix::process::Signal::INT);
    let first = served.running.ended().await;
    assert_eq!(first.code, Some(0));
    assert_eq!(levelled(&first.stdout), levelled(&block("banner")));
    assert!(first.stdout.lines().all(|line| line.chars().count() <= 80), "{}", first.stdout);
    assert!(!first.stderr.contains("booking confirmed"), "the demo's history is quiet: {}", first.stderr);

    // The second start is short and keeps what is there.
    let served = serve().await;
    served.running.signal(rustix::process::Signal::INT);
    let second = served.running.ended().await;
    assert!(second.stdout.lines().count() < first.stdout.lines().count() / 2, "{}", second.stdout);
    assert!(second.stdout.contains("sign-ins: boxoffice demo accounts"), "{}", second.stdout);
    let bookings = Regex::new(r"(\d+) bookings").unwrap();
    let count = |text: &str| bookings.captures(text).unwrap()[1].to_owned();
    assert_eq!(count(&first.stdout), count(&second.stdout));
    assert!(first.stdout.contains(&format!("{} events", EVENTS.len())));
}

/// Machines get JSON lines, the address among them, and no banner.
#[tokio::test]
async fn without_a_terminal_every_line_is_json() {
    let folder = tempfile::tempdir().unwrap();
    let served = Call::new(["serve", "--listen", "127.0.0.1:0"]).standing_in(folder.path()).begin().ready().await;
    served.running.signal(rustix::process::Signal::INT);
    let ended = served.running.ended().await;
    assert_eq!(ended.stdout, "");
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let listening = lines.iter().find(|line| line["fields"]["message"] == "listening").unwrap();
    assert_eq!(listening["fields"]["addr"], Value::String(served.address));
}

#[test]
fn the_settings_are_those_of_the_program() {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SETTINGS.md");
    let page = boxoffice::cli::settings::page(serve);
    if std::env::var_os("BOXOFFICE_WRITE_SETTINGS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page, "BOXOFFICE_WRITE_SETTINGS=1 cargo test --test it readme");

    // The short table of the README names none that there is not, and every one that is no limit.
    let (mut flags, mut variables) = (BTreeSet::new(), BTreeSet::from(["RUST_LOG".to_owned()]));
    let mut expected = BTreeSet::new();
    let arguments = command.get_arguments().chain(serve.get_arguments());
    for argument in arguments.filter(|argument| argument.get_id() != "desk_batch") {
        let long = argument.get_long().filter(|_| !argument.is_hide_set()).map(|long| format!("--{long}"));
        flags.extend(long.clone());
        variables.extend(argument.get_env().map(|name| name.to_string_lossy().into_owned()));
        if argument.get_help_heading().is_none() && !["help", "version"].contains(&argument.get_id().as_str()) {
            expected.extend(long);
        }
    }
    let text = readme();
    let table = text.split_once("<!-- settings:").unwrap().1.split_once("\n\n").unwrap().0;
    let shown = |pattern: &str| -> BTreeSet<String> {
        Regex::new(pattern).unwrap().captures_iter(table).map(|found| found[1].to_owned()).collect()
    };
    let named = shown(r"`(--[a-z-]+)`");
    assert!(named.is_subset(&flags), "{:?}", named.difference(&flags));
    assert!(expected.is_subset(&named), "{:?}", expected.difference(&named));
    assert!(shown(r"`((?:BOXOFFICE|DATABASE|RUST)_[A-Z_]+)`").is_subset(&variables));
}

#[test]
fn the_live_example_is_the_one_that_runs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/apollo-react/src/boxoffice.ts");
    let source = std::fs::read_to_string(path).unwrap();
    let heart = source.split_once("// README: begin\n").unwrap().1.split_once("\n// README: end").unwrap().0;
    assert_eq!(block("live"), heart, "copy the marked region of the example");
}

#[test]
fn it_is_short_and_its_links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(readme().lines().count() <= 200, "nobody reads more than 200 lines");
    let links = Regex::new(r"\]\(([^)#]+)\)").unwrap();
    let paths = Regex::new(r"`((?:src|tests|migration|scripts|web)/[\w./-]+)`").unwrap();
    for file in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for link in links.captures_iter(&text) {
            assert!(link[1].starts_with("http") || root.join(&link[1]).exists(), "{file}: {}", &link[1]);
        }
        for path in paths.captures_iter(&text) {
            assert!(root.join(&path[1]).exists(), "{file} names {}", &path[1]);
        }
    }
}
