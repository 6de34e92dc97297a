//! The built program: started with an environment of its own, its output read, signalled, killed; and HTTP clients of
//! it. A child never outlives its handle: dropping one kills it.
//! Not here: assertions about its behaviour.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use boxoffice::access::Role;
use boxoffice::account::store as accounts;
use boxoffice::account::token::Keys;
use boxoffice::clock::Clock;
use boxoffice::db::{Db, Priority, Target};
use boxoffice::entity::users;
use boxoffice::id::{OrganizerId, RandomSource, SessionId, UserId};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Answer, LONG, PATIENCE, SECRET, widened};

/// Waits until `look` returns a value; panics after a long time.
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    let wait = async {
        loop {
            pace.tick().await;
            if let Some(found) = look() {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// A call of the program: arguments, environment, working folder. The caller's own settings do not reach it.
pub struct Call {
    command: Command,
    stdin: Option<String>,
}

/// The result of a call that ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Call {
    pub fn new<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxoffice"));
        let ours = |name: &str| name.starts_with("BOXOFFICE_") || name.starts_with("RUST_") || name == "DATABASE_URL";
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(ours) {
                command.env_remove(name);
            }
        }
        command.args(arguments).env("NO_COLOR", "1").current_dir(std::env::temp_dir());
        Self { command, stdin: None }
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working folder.
    pub fn standing_in(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Makes a file that may not grow an error to the program, as on a full disk, instead of its end.
    pub fn surviving_full_files(mut self) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(self.command.get_program());
        shell.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.current_dir(self.command.get_current_dir().expect("set for every call"));
        self.command = shell;
        self
    }

    /// Sets the standard input, which is no terminal; without this it is at its end.
    pub fn reading(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// Adds an argument.
    pub fn and(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Starts it and lets it run.
    pub fn begin(mut self) -> Running {
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        if let (Some(text), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            // The program may have ended without reading.
            let _ = pipe.write_all(text.as_bytes());
        }
        let stdout = Heard::listen(child.stdout.take().unwrap());
        let stderr = Heard::listen(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Starts it and waits for its end.
    pub async fn end(self) -> Ended {
        self.begin().ended().await
    }
}

/// The output of a pipe so far, and whether it is closed.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(String, bool)>>);

impl Heard {
    /// Reads the pipe in a thread of its own, so that the program never waits for room in it.
    fn listen(pipe: impl Read + Send + 'static) -> Self {
        let heard = Self::default();
        let note = heard.clone();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                super::log::keep(&line);
                note.0.lock().unwrap().0.push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
            note.0.lock().unwrap().1 = true;
        });
        heard
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().0.clone()
    }

    fn is_closed(&self) -> bool {
        self.0.lock().unwrap().1
    }
}

/// A call that runs.
pub struct Running {
    child: Child,
    stdout: Heard,
    stderr: Heard,
}

impl Running {
    /// Returns everything it printed so far, on either stream.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout.text(), self.stderr.text())
    }

    /// From now on no file may be written beyond this many bytes; none removes the limit.
    #[cfg(target_os = "linux")]
    pub fn limit_files(&self, bytes: Option<u64>) {
        use rustix::process::{Resource, getrlimit, prlimit};
        let limit = rustix::process::Rlimit { current: bytes, maximum: getrlimit(Resource::Fsize).maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let status = until("the program ends", || self.child.try_wait().unwrap()).await;
        until("its output ends", || (self.stdout.is_closed() && self.stderr.is_closed()).then_some(())).await;
        Ended { code: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Sends SIGKILL, so that it has no chance to do anything. Returns its output.
    pub async fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.ended().await
    }

    /// Returns the address it prints, once it answers there that it is ready. An early end is a failure.
    pub async fn ready(mut self) -> Served {
        let mut gone = None;
        let address = until("it prints its address", || {
            gone = self.child.try_wait().unwrap();
            match gone {
                Some(_) => Some(String::new()),
                None => address(&self.said()),
            }
        })
        .await;
        assert!(gone.is_none(), "it ended with {gone:?} instead of serving:\n{}", self.said());
        let http = reqwest::Client::new();
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        let answers = async {
            loop {
                pace.tick().await;
                let answer = http.get(format!("http://{address}/readyz")).send().await;
                if answer.is_ok_and(|answer| answer.status() == 200) {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, answers).await;
        assert!(waited.is_ok(), "it never became ready:\n{}", self.said());
        Served { running: self, address }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `➜ GraphQL    http://127.0.0.1:43210/graphql` for people, `"addr":"127.0.0.1:43210"` for machines.
fn address(said: &str) -> Option<String> {
    let between = |before: &str, after: &str| Some(said.split_once(before)?.1.split_once(after)?.0.to_owned());
    between("GraphQL    http://", "/graphql").or_else(|| between("\"addr\":\"", "\""))
}

/// A running service.
pub struct Served {
    pub running: Running,
    pub address: String,
}

/// Time limits that no test should reach, however slow the machine is.
const WIDENED: [&str; 7] = [
    "BOXOFFICE_DB_ACQUIRE_SECONDS",
    "BOXOFFICE_DB_LOCK_SECONDS",
    "BOXOFFICE_DB_STATEMENT_SECONDS",
    "BOXOFFICE_DB_BUSY_SECONDS",
    "BOXOFFICE_DB_QUEUE_SECONDS",
    "BOXOFFICE_QUERY_SECONDS",
    "BOXOFFICE_MUTATION_SECONDS",
];

/// The database and the data folder of a service, so that it can be started again.
#[derive(Clone)]
pub struct Place {
    pub target: Target,
    pub data: PathBuf,
}

impl Place {
    /// Returns the place of this database; `data` is the folder of everything else.
    pub fn of(target: &Target, data: &Path) -> Self {
        let data = match target {
            Target::Sqlite(path) => path.parent().unwrap().to_owned(),
            Target::Postgres(_) => data.to_owned(),
        };
        Self { target: target.clone(), data }
    }

    /// Returns `boxoffice serve` at this place, on any free port, with the secret of the tests; without a demo.
    pub fn serve(&self) -> Call {
        self.serve_with("--no-demo")
    }

    /// Returns the same with a demo, if the place is new.
    pub fn serve_demo(&self) -> Call {
        self.serve_with("--demo")
    }

    fn serve_with(&self, demo: &str) -> Call {
        let call = self.call(&["serve", "--listen", "127.0.0.1:0", demo, "--log-format", "text"]);
        match &self.target {
            Target::Sqlite(_) => call,
            Target::Postgres(_) => call.and("--migrate"),
        }
    }

    /// Returns any command at this place, with the secret of the tests.
    pub fn call(&self, arguments: &[&str]) -> Call {
        let call = Call::new(arguments).env("BOXOFFICE_JWT_SECRET", secret()).env("BOXOFFICE_DATA", &self.data);
        let call = WIDENED.iter().fold(call, |call, name| call.env(name, LONG.as_secs().to_string()));
        match &self.target {
            Target::Sqlite(_) => call,
            Target::Postgres(url) => call.env("DATABASE_URL", url),
        }
    }

    /// Opens the database from outside.
    pub async fn db(&self) -> Db {
        Db::open_with(&self.target, true, RandomSource::system(), &widened()).await.unwrap()
    }
}

/// Returns [`SECRET`] as a setting.
pub fn secret() -> &'static str {
    std::str::from_utf8(SECRET).unwrap()
}

static GUESTS: AtomicU64 = AtomicU64::new(0);

/// A client of the program over HTTP, at whatever address it listens.
#[derive(Clone)]
pub struct Guest {
    pub user: UserId,
    pub token: Option<String>,
    http: reqwest::Client,
}

impl Guest {
    /// Returns a client with this token.
    pub fn with(token: Option<String>) -> Self {
        Self { user: UserId(uuid::Uuid::nil()), token, http: reqwest::Client::new() }
    }

    /// Inserts accounts into the tables, with tokens signed by the secret of the tests.
    pub async fn invite(db: &Db, role: Role, n: usize) -> Vec<Self> {
        let (clock, random) = (Clock::System, RandomSource::system());
        let keys = Keys::new([SECRET]).unwrap();
        let http = reqwest::Client::new();
        let mut guests = Vec::with_capacity(n);
        for _ in 0..n {
            let now = clock.now();
            let (user, session): (UserId, SessionId) = (random.id(now), random.id(now));
            let organizer: OrganizerId = random.id(now);
            let nth = GUESTS.fetch_add(1, Ordering::Relaxed);
            let row = users::Model {
                id: user,
                email: format!("guest{nth}@example.org"),
                email_key: format!("guest{nth}@example.org"),
                name: format!("Guest {nth}"),
                role,
                password_hash: "none".into(),
                disabled_at: None,
                created_at: now,
            };
            let owner = accounts::first_owner(random.id(now), user, organizer, now);
            let (row, owner) = (&row, &owner);
            db.write(Priority::Interactive, |tx| async move {
                accounts::insert_user(&tx, row.clone()).await?;
                if role == Role::Organizer {
                    let slugs = [format!("organizer-{organizer}")];
                    accounts::insert_organizer(&tx, &row.name, &slugs, owner).await?;
                }
                accounts::insert_session(&tx, session, user, now).await?;
                Ok::<_, boxoffice::account::Error>(())
            })
            .await
            .unwrap();
            let (token, _) = keys.sign(user, session, now).unwrap();
            guests.push(Self { user, token: Some(token), http: http.clone() });
        }
        guests
    }

    /// Sends a document. Returns none if the connection ended before the whole answer was there.
    pub async fn try_ask(&self, address: &str, query: &str, variables: Value) -> Option<Answer> {
        let request = self.http.post(format!("http://{address}/graphql"));
        let mut request = request.timeout(PATIENCE).json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
        Some(Answer { status, body })
    }

    /// Sends a document to a program that must answer.
    pub async fn ask(&self, address: &str, query: &str, variables: Value) -> Answer {
        self.try_ask(address, query, variables).await.expect("an answer")
    }

    /// Publishes an event a month ahead; returns its id.
    pub async fn event(&self, address: &str, capacity: i64) -> String {
        let at = |days: u64| Clock::System.now().plus(Duration::from_secs(days * 24 * 3_600)).rfc3339();
        let input = json!({
            "title": "Rust Nation", "venue": "Hall A", "timeZone": "Europe/Berlin", "capacity": capacity,
            "startsAt": at(30), "endsAt": at(31), "price": "15.50",
        });
        let create =
            "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id } userErrors { code } } }";
        let id = self.ask(address, create, json!({ "input": input })).await.ok().text("createEvent.event.id");
        let publish =
            "mutation($id: ID!) { publishEvent(input: { eventId: $id }) { event { id } userErrors { code } } }";
        self.ask(address, publish, json!({ "id": id })).await.ok();
        id
    }
}
