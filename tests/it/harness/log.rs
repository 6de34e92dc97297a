//! The log of a whole test run in one file, so that `scripts/test` can search it for forbidden content; and the
//! statements that run on one thread.
//! Not here: the forbidden content (`scripts/test`), and assertions about single lines.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, Once, OnceLock};

use boxoffice::db::STATEMENTS;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// Every record of the product except its statements, down to the lowest level; of libraries the records that an
/// operator would see.
const EVERYTHING: &str = "info,boxoffice=trace,boxoffice::statements=off";

/// Returns the file, if one is requested.
fn file() -> Option<&'static File> {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os("BOXOFFICE_TEST_LOG")?;
        Some(OpenOptions::new().create(true).append(true).open(path).unwrap())
    };
    FILE.get_or_init(open).as_ref()
}

/// Makes the services of this process log: into the file, and to the terminal as `RUST_LOG` says.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let written = file()
            .map(|file| fmt::layer().json().with_writer(Mutex::new(file)).with_filter(EnvFilter::new(EVERYTHING)));
        let shown = std::env::var_os("RUST_LOG")
            .map(|_| fmt::layer().with_test_writer().with_filter(EnvFilter::from_default_env()));
        let statements = Statements.with_filter(Targets::new().with_target(STATEMENTS, tracing::Level::TRACE));
        let notified = Notified.with_filter(Targets::new().with_target(NOTIFICATION, tracing::Level::INFO));
        tracing_subscriber::registry().with(written).with(shown).with(statements).with(notified).init();
    });
}

/// The target of lines about the recipients of notices.
const NOTIFICATION: &str = "boxoffice::notification";

/// A line of the log, by field.
#[derive(Debug, Clone, Default)]
pub struct Line(BTreeMap<&'static str, String>);

impl Line {
    /// Returns true if any field is this text.
    pub fn holds(&self, text: &str) -> bool {
        self.0.values().any(|value| value == text)
    }

    /// Returns a field; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

static NOTIFIED: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// Returns every line so far, of all services of this process, about the recipients of notices.
pub fn notified() -> Vec<Line> {
    NOTIFIED.lock().unwrap().clone()
}

struct Notified;

impl<S: Subscriber> Layer<S> for Notified {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        NOTIFIED.lock().unwrap().push(line);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps a line that a started program wrote to its log.
pub fn keep(line: &[u8]) {
    // Other lines begin differently: the messages to a user at a terminal.
    let is_log = matches!(line, [b'{', ..]) || line.starts_with(b"20");
    if let (true, Some(mut file)) = (is_log, file()) {
        file.write_all(line).unwrap();
    }
}

thread_local! {
    static COLLECTED: RefCell<Option<BTreeSet<String>>> = const { RefCell::new(None) };
}

/// From now on the statements that are run on this thread are collected.
pub fn collect() {
    start();
    COLLECTED.set(Some(BTreeSet::new()));
}

/// Returns the statements collected on this thread so far.
pub fn collected() -> BTreeSet<String> {
    COLLECTED.with_borrow(|collected| collected.clone().unwrap_or_default())
}

struct Statements;

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        COLLECTED.with_borrow_mut(|collected| {
            if let Some(collected) = collected {
                event.record(&mut Statement(collected));
            }
        });
    }
}

struct Statement<'a>(&'a mut BTreeSet<String>);

impl Visit for Statement<'_> {
    fn record_str(&mut self, _: &Field, statement: &str) {
        self.0.insert(statement.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
