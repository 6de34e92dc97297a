//! Shared parts of the benches: a service on a database of its own, run as the program runs it, and customers that
//! write HTTP by hand, because they share the machine with the service.
//! Not here: any load or figure.

use std::time::Duration;

use boxoffice::access::Role;
use boxoffice::account::store as accounts;
use boxoffice::account::token::Keys;
use boxoffice::app::{App, Options};
use boxoffice::clock::Clock;
use boxoffice::db::{self, Db, Priority, Target};
use boxoffice::entity::users;
use boxoffice::http;
use boxoffice::id::{OrganizerId, SessionId, UserId};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &[u8] = b"a secret that only this bench knows, long enough";

/// A service on a database of its own.
pub struct House {
    pub app: App,
    pub address: String,
    pub organizer: String,
    pub customers: Vec<String>,
}

impl House {
    /// Starts it with the usual settings, except that all connections come from one address.
    pub async fn open(target: Target, customers: usize, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(target, Keys::new([SECRET]).unwrap());
        options.connections.per_address = options.connections.connections;
        change(&mut options);
        let connections = options.connections;
        let app = App::start(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(http::listen::serve(listener, app.router(), connections, app.stopping()));
        let organizer = sign_up(&app, Role::Organizer, 0).await;
        let mut tokens = Vec::new();
        for n in 1..=customers {
            tokens.push(sign_up(&app, Role::Customer, n).await);
        }
        Self { app, address, organizer, customers: tokens }
    }

    /// Publishes an event that does not sell out.
    pub async fn event(&self) -> String {
        let mut organizer = Connection::open(&self.address, &self.organizer).await;
        let at = |days: u64| Clock::System.now().plus(Duration::from_secs(days * 24 * 3_600)).rfc3339();
        let input = json!({ "title": "Hot", "venue": "Hall A", "timeZone": "Europe/Berlin", "capacity": 50_000,
                            "startsAt": at(30), "endsAt": at(31), "price": "15.50" });
        let create = "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id } } }";
        let answer = organizer.ask(create, json!({ "input": input })).await;
        let id = answer["data"]["createEvent"]["event"]["id"].as_str().unwrap().to_owned();
        let publish = "mutation($id: ID!) { publishEvent(input: { eventId: $id }) { event { id } } }";
        organizer.ask(publish, json!({ "id": id })).await;
        id
    }

    /// Waits until all work of a run is done, so that the next run does not include it.
    pub async fn change_set(&self) {
        let open = "SELECT (SELECT count(*) FROM domain_event WHERE seq IS NULL)
                    + (SELECT h.last - c.last FROM stream_head h, consumer c WHERE c.name = 'reactions')
                    + (SELECT count(*) FROM job WHERE state IN ('running', 'available')) AS n";
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while db::number(self.db().read(), open, []).await.unwrap() > 0 {
            pace.tick().await;
        }
    }

    pub fn db(&self) -> &Db {
        &self.app.ctx.db
    }

    pub async fn close(self) {
        self.app.stop().await;
    }
}

/// Returns the PostgreSQL server to measure on, if one is named.
pub fn server() -> Option<String> {
    ["BOXOFFICE_BENCH_POSTGRES", "BOXOFFICE_TEST_POSTGRES"].iter().find_map(|name| std::env::var(name).ok())
}

/// Databases for the bench on a server, and whether commits there are durable.
pub struct Server {
    admin: DatabaseConnection,
    base: String,
    made: Vec<String>,
    pub durability: &'static str,
}

impl Server {
    pub async fn open(url: &str) -> Self {
        let admin = Database::connect(url).await.unwrap();
        let fsync = "SELECT count(*) AS n FROM pg_settings WHERE name = 'fsync' AND setting = 'on'";
        let on = db::number(&admin, fsync, []).await.unwrap() == 1;
        let base = url.rsplit_once('/').unwrap().0.to_owned();
        Self { admin, base, made: Vec::new(), durability: if on { "fsync=on" } else { "fsync=off: NOT DURABLE" } }
    }

    pub async fn database(&mut self, name: &str) -> Target {
        let name = format!("bench_{name}_{}", std::process::id());
        self.admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        let target = Target::Postgres(format!("{}/{name}", self.base));
        self.made.push(name);
        target
    }

    pub async fn close(self) {
        for name in self.made {
            self.admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        }
    }
}

/// Inserts an account into the tables; returns its token.
async fn sign_up(app: &App, role: Role, nth: usize) -> String {
    let ctx = &app.ctx;
    let (user, session, organizer): (UserId, SessionId, OrganizerId) = (ctx.id(), ctx.id(), ctx.id());
    let row = users::Model {
        id: user,
        email: format!("p{nth}@example.org"),
        email_key: format!("p{nth}@example.org"),
        name: format!("Person {nth}"),
        role,
        password_hash: "none".into(),
        disabled_at: None,
        created_at: ctx.now(),
    };
    let row = &row;
    let enter = |tx: db::Tx| async move {
        accounts::insert_user(&tx, row.clone()).await?;
        if role == Role::Organizer {
            let slugs = accounts::organizer_slugs(&row.name, organizer);
            let owner = accounts::first_owner(ctx.id(), user, organizer, ctx.now());
            accounts::insert_organizer(&tx, &row.name, &slugs, &owner).await?;
        }
        accounts::insert_session(&tx, session, user, ctx.now()).await?;
        Ok::<_, boxoffice::account::Error>(())
    };
    ctx.db.write(Priority::Interactive, enter).await.unwrap();
    app.services.sessions.token(user, session).unwrap().0
}

const BOOK: &str = "mutation($input: CreateBookingInput!) { createBooking(input: $input) {
    booked booking { id reference status } userErrors { code } } }";

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    head: String,
    read: Vec<u8>,
    /// Address that a proxy would report for it.
    pub forwarded_for: Option<String>,
}

impl Connection {
    pub async fn open(address: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{}",
            if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") }
        );
        Self { stream, head, read: Vec::new(), forwarded_for: None }
    }

    pub async fn book(&mut self, event: &str, key: &str) {
        let input = json!({ "eventId": event, "quantity": 1, "idempotencyKey": key });
        let answer = self.ask(BOOK, json!({ "input": input })).await;
        assert_eq!(answer["data"]["createBooking"]["booked"], 1, "{answer}");
    }

    pub async fn ask(&mut self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let from =
            self.forwarded_for.as_ref().map_or_else(String::new, |place| format!("x-forwarded-for: {place}\r\n"));
        let request = format!("{}{from}content-length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await.unwrap() == 0 {
                panic!("the connection ended: {}", String::from_utf8_lossy(&self.read));
            }
            let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.read[..end]).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            let (from, to) = (end + 4, end + 4 + length.parse::<usize>().unwrap());
            if self.read.len() >= to {
                return serde_json::from_slice(&self.read[from..to]).unwrap();
            }
        }
    }
}
