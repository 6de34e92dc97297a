//! What a person sees at the start: where to go, where the data lives, whom to act as. Pure, at most 80 columns.
//! Not here: finding any of it out (`serve`), and the log.

use std::fmt::Write;
use std::time::Duration;

use crate::demo::Counts;
use crate::demo::cast::{PASSWORD, PEOPLE};
use crate::status::Role;

/// Everything the banner tells.
#[derive(Debug, Clone)]
pub struct Start {
    /// `host:port`.
    pub address: String,
    /// Whether there is a GraphiQL page.
    pub page: bool,
    /// Whether only this machine can reach it.
    pub loopback: bool,
    /// Where the data lives, without password.
    pub data: String,
    /// `SQLite` or `PostgreSQL`.
    pub database: &'static str,
    /// File of the generated key, if it is one.
    pub key: Option<String>,
    /// Whether nobody had an account here before this start.
    pub first: bool,
    /// Whether jobs are worked off here.
    pub worker: bool,
    /// What there is of a demo.
    pub demo: Option<Counts>,
    /// Bookings there are.
    pub bookings: i64,
    /// From the start of the process until now.
    pub took: Duration,
}

/// Colours for a terminal, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours(pub bool);

impl Colours {
    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// The banner: long at the first start, a few lines afterwards.
pub fn banner(start: &Start, colours: Colours) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = draw(&mut text, start, colours);
    text
}

fn draw(text: &mut String, start: &Start, colours: Colours) -> std::fmt::Result {
    let Start { address, .. } = start;
    let name = format!("boxoffice {}", env!("CARGO_PKG_VERSION"));
    let seconds = format!("ready in {:.1} s", start.took.as_secs_f64());
    writeln!(text, "\n  {}   event booking over GraphQL{:>28}\n", colours.bold(&name), seconds)?;
    let mut line = |mark: &str, word: &str, value: &str| writeln!(text, "  {mark} {word:<10} {value}");
    let arrow = colours.cyan("➜");
    if start.page {
        line(&arrow, "GraphiQL", &colours.cyan(&format!("http://{address}/graphiql")))?;
    }
    line(&arrow, "GraphQL", &colours.cyan(&format!("http://{address}/graphql")))?;
    line(" ", "live", &colours.cyan(&format!("ws://{address}/graphql/ws")))?;
    let data = format!("{}   {}", start.data, start.database);
    if !start.first {
        line(" ", "Data", &format!("{data}, {} bookings", start.bookings))?;
        if start.demo.is_some() {
            line(" ", "Demo", "sign-ins: boxoffice demo accounts")?;
        }
        return writeln!(text);
    }
    if start.loopback {
        let port = address.rsplit(':').next().unwrap_or("8080");
        line(" ", "Network", &colours.dim(&format!("off, use --listen 0.0.0.0:{port} to expose")))?;
    }
    writeln!(text)?;
    let mut line = |word: &str, value: &str| writeln!(text, "    {word:<10} {value}");
    line("Data", &format!("{data}, new"))?;
    if let Some(key) = &start.key {
        line("Secret", &format!("{key}   generated, mode 600"))?;
    }
    line("Worker", if start.worker { "in this process" } else { "elsewhere" })?;
    if let Some(demo) = &start.demo {
        line("Demo", &format!("{} events, {} bookings, {} people in line", demo.events, demo.bookings, demo.waiting))?;
        writeln!(text)?;
        sign_ins(text, "Sign in")?;
        writeln!(text, "               {}", colours.dim("for this machine only; again: boxoffice demo accounts"))?;
        writeln!(text)?;
        writeln!(text, "    Try        open GraphiQL, act as Grace, run Book, watch the feed")?;
    } else {
        writeln!(text)?;
        let how = if start.page { "open GraphiQL and sign up" } else { "sign up with any GraphQL client" };
        writeln!(text, "    Try        {how}")?;
    }
    writeln!(text, "               ctrl-c to stop · boxoffice --help\n")
}

/// The people who can be acted as, a line each, and their password.
pub fn sign_ins(text: &mut String, word: &str) -> std::fmt::Result {
    for (n, person) in PEOPLE.iter().enumerate() {
        let word = if n == 0 { word } else { "" };
        let role = match person.role {
            Role::Customer => "customer",
            Role::Organizer => "organizer",
            Role::Admin => "admin",
        };
        writeln!(text, "    {word:<10} {:<18} {role:<10} {}", person.email, person.hint)?;
    }
    writeln!(text, "               password for all: {PASSWORD}")
}
