//! Banner of `boxoffice serve`: addresses, location of the data, demo accounts, next commands. A pure function; at most
//! 80 columns.
//! Not here: the collection of its contents (`serve`), and the log.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::demo::Counts;
use crate::demo::seed::{PASSWORD, PEOPLE};
use crate::status::Role;

/// Contents of the banner.
#[derive(Debug, Clone)]
pub struct Start {
    /// Address the service listens on.
    pub address: SocketAddr,
    /// Set if GraphiQL is served.
    pub page: bool,
    /// Location of the data, without password.
    pub data: String,
    /// `SQLite` or `PostgreSQL`.
    pub database: &'static str,
    /// File of the generated key, if the key was generated.
    pub key: Option<String>,
    /// Set if the database had no account before this start.
    pub first: bool,
    /// Set if this process runs jobs.
    pub worker: bool,
    /// Contents of the demo, if there is one.
    pub demo: Option<Counts>,
    /// Number of bookings.
    pub bookings: i64,
    /// Time since the start of the process.
    pub took: Duration,
    /// Name of the program as it was called, for commands to paste.
    pub program: String,
    /// Flags that name the same data for another command, such as `--data /srv/data`; empty for the default.
    pub data_flags: String,
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

/// Returns the banner: long at the first start, a few lines afterwards.
pub fn banner(start: &Start, colours: Colours) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = draw(&mut text, start, colours);
    text
}

fn draw(text: &mut String, start: &Start, colours: Colours) -> std::fmt::Result {
    let address = reachable(start.address);
    let name = format!("boxoffice {}", env!("CARGO_PKG_VERSION"));
    let seconds = format!("ready in {:.1} s", start.took.as_secs_f64());
    writeln!(text, "\n  {}   event booking over GraphQL{:>28}\n", colours.bold(&name), seconds)?;
    let mut line = |mark: &str, word: &str, value: &str| writeln!(text, "  {mark} {word:<10} {value}");
    let arrow = colours.cyan("➜");
    if start.page {
        line(&arrow, "GraphiQL", &colours.cyan(&format!("http://{address}/graphiql")))?;
    }
    line(&arrow, "GraphQL", &colours.cyan(&format!("http://{address}/graphql")))?;
    line(" ", "WebSocket", &colours.cyan(&format!("ws://{address}/graphql/ws")))?;
    let data = format!("{}   {}", start.data, start.database);
    if !start.first {
        line(" ", "Data", &format!("{data}, {} bookings", start.bookings))?;
        if start.demo.is_some() {
            line(" ", "Demo", &format!("accounts: {}", command(start, "demo accounts")))?;
        }
        return writeln!(text);
    }
    line(
        " ",
        "Network",
        if start.address.ip().is_loopback() { "this machine only" } else { "open to other machines" },
    )?;
    writeln!(text)?;
    let mut line = |word: &str, value: &str| writeln!(text, "    {word:<10} {value}");
    line("Data", &format!("{data}, new"))?;
    if let Some(key) = &start.key {
        line("Secret", &format!("{key}   generated, mode 600"))?;
    }
    line("Worker", if start.worker { "in this process" } else { "in another process" })?;
    if let Some(Counts { events, bookings, waiting }) = &start.demo {
        line("Demo", &format!("{events} events, {bookings} bookings, {waiting} waitlist entries"))?;
        writeln!(text)?;
        sign_ins(text, "Sign in")?;
        writeln!(text, "\n    Try        open GraphiQL, act as Grace, run Book, watch the notices")?;
    } else {
        let how = if start.page { "open GraphiQL and sign up" } else { "sign up with any GraphQL client" };
        writeln!(text, "\n    Try        {how}")?;
    }
    next_commands(text, start, colours)?;
    writeln!(text, "               {}\n", colours.dim("ctrl-c stops it"))
}

/// Writes the commands that suit this start, each with a comment and ready to paste.
fn next_commands(text: &mut String, start: &Start, colours: Colours) -> std::fmt::Result {
    let mut commands = Vec::new();
    if start.demo.is_some() {
        commands.push((command(start, "demo accounts"), "show these accounts again"));
        commands.push((command(start, "demo clear"), "delete the demo"));
    }
    if start.address.ip().is_loopback() {
        let listen = format!("--listen 0.0.0.0:{}", start.address.port());
        let comment = if start.demo.is_some() { "network access, once cleared" } else { "network access" };
        commands.push((command(start, &listen), comment));
    }
    commands.push((format!("{} --help", start.program), "all commands"));
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    for (n, (command, comment)) in commands.iter().enumerate() {
        let word = if n == 0 { "Next" } else { "" };
        writeln!(text, "    {word:<10} {command:<width$}   {}", colours.dim(&format!("# {comment}")))?;
    }
    Ok(())
}

/// Returns a command line of this program for the same data.
fn command(start: &Start, arguments: &str) -> String {
    let flags = if start.data_flags.is_empty() { String::new() } else { format!(" {}", start.data_flags) };
    format!("{} {arguments}{flags}", start.program)
}

/// Returns an address to open on this machine: `0.0.0.0` and `[::]` stand for all of its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Writes the demo accounts, one per line, and their password.
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
