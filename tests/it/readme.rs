//! Tests that the README shows what the program does: banner, first answers, settings, links.
//! Not here: figures of speed; the benches print those.

use std::collections::BTreeSet;
use std::path::Path;

use boxoffice::cli::Cli;
use boxoffice::demo::seed::EVENTS;
use clap::CommandFactory;
use regex::Regex;
use serde_json::Value;

use crate::harness::binary::Call;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Returns the code block behind a marker.
fn block(marker: &str) -> String {
    let text = readme();
    let behind = text.split_once(&format!("<!-- {marker}:")).unwrap_or_else(|| panic!("no marker {marker}")).1;
    let block = behind.split_once("```").unwrap().1.split_once('\n').unwrap().1;
    block.split_once("\n```").unwrap().0.to_owned()
}

/// Returns the requests of the README's curl commands, each with the answer shown below it.
fn calls() -> Vec<(String, String)> {
    let text = readme();
    let call = Regex::new(r"(?s)\n  -d '([^']*)'.*?<!-- answer \d.*?```json\n(.*?)\n```").unwrap();
    let calls: Vec<_> = call.captures_iter(&text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect();
    assert_eq!(calls.len(), text.matches("\n  -d '").count(), "each command has its answer");
    calls
}

/// Returns an answer without the values that differ each time (token, time, new references) and without the cost, which
/// the README leaves out.
fn without_chance(answer: &str) -> String {
    let cost = Regex::new(r#","extensions":\{"cost":\{[^}]*\}\}"#).unwrap();
    let random = Regex::new(r#""(accessToken|expiresAt|reference)":"[^"]*""#).unwrap();
    random.replace_all(&cost.replace(answer, ""), "\"$1\":\"…\"").into_owned()
}

/// Returns the lines of a banner with the port and the seconds replaced, which differ from start to start.
fn levelled(banner: &str) -> Vec<String> {
    let port = Regex::new(r"(127\.0\.0\.1|0\.0\.0\.0):\d+").unwrap();
    let seconds = Regex::new(r"in \d+\.\d s").unwrap();
    // Comments are aligned behind the port.
    let padding = Regex::new(r" +#").unwrap();
    let text = padding.replace_all(banner, " #");
    let text = port.replace_all(&text, "$1:8080");
    let text = seconds.replace_all(&text, "in 0.4 s");
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
    let access_token = Regex::new(r#""accessToken":"([^"]*)""#).unwrap();
    let mut token = None;
    for (request, shown) in calls() {
        let mut call = reqwest::Client::new().post(format!("http://{}/graphql", served.address));
        if let Some(token) = &token {
            call = call.bearer_auth(token);
        }
        let answer = call.header("content-type", "application/json").body(request).send().await.unwrap();
        let answer = answer.text().await.unwrap();
        let said = access_token.captures(&answer).map(|found| found[1].to_owned());
        token = said.or(token);
        assert_eq!(without_chance(&answer), without_chance(&shown));
    }
    assert!(token.is_some(), "a sign-in is shown");
    served.running.signal(rustix::process::Signal::INT);
    let first = served.running.ended().await;
    assert_eq!(first.code, Some(0));
    assert_eq!(levelled(&first.stdout), levelled(&block("banner")));
    assert!(first.stdout.lines().all(|line| line.chars().count() <= 80), "{}", first.stdout);
    let logged = first.stderr.matches("booking confirmed").count();
    assert!(logged <= 1, "only the booking of the README, not those of the demo: {}", first.stderr);

    // The banner of the second start is short, and the data is kept.
    let served = serve().await;
    served.running.signal(rustix::process::Signal::INT);
    let second = served.running.ended().await;
    assert!(second.stdout.lines().count() < first.stdout.lines().count() / 2, "{}", second.stdout);
    assert!(second.stdout.contains("accounts: boxoffice demo accounts"), "{}", second.stdout);
    let bookings = Regex::new(r"(\d+) bookings").unwrap();
    let count = |text: &str| bookings.captures(text).unwrap()[1].parse::<i64>().unwrap();
    assert_eq!(count(&first.stdout) + 1, count(&second.stdout), "the demo's, and that of the README");
    assert!(first.stdout.contains(&format!("{} events", EVENTS.len())));
}

/// Without a terminal the program prints no banner; it logs JSON lines, the address among them.
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

    // The README names no flag or variable that does not exist.
    let (mut flags, mut variables) = (BTreeSet::new(), BTreeSet::from(["RUST_LOG".to_owned()]));
    let commands = command.get_subcommands().flat_map(|below| std::iter::once(below).chain(below.get_subcommands()));
    for argument in commands.chain([&command]).flat_map(|command| command.get_arguments()) {
        flags.extend(argument.get_long().map(|long| format!("--{long}")));
        variables.extend(argument.get_env().map(|name| name.to_string_lossy().into_owned()));
    }
    let text = readme();
    let shown = |pattern: &str| -> BTreeSet<String> {
        Regex::new(pattern).unwrap().captures_iter(&text).map(|found| found[1].to_owned()).collect()
    };
    let named = shown(r"`(--[a-z-]+)");
    assert!(named.len() > 5 && named.is_subset(&flags), "{:?}", named.difference(&flags));
    let named = shown(r"`((?:BOXOFFICE|DATABASE|RUST)_[A-Z_]+)`");
    assert!(named.len() > 5 && named.is_subset(&variables), "{:?}", named.difference(&variables));
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
    assert!(readme().lines().count() <= 200, "the README stays short; details go to docs/");
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
