//! The harness: a service on a database of its own, actors that use it over real sockets, a manual clock.
//! Not here: any assertion about the product.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use boxoffice::access::Role;
use boxoffice::account::password::Cost;
use boxoffice::account::revocation;
use boxoffice::account::store as accounts;
use boxoffice::account::token::Keys;
use boxoffice::app::{App, Options};
use boxoffice::clock::{Clock, Timestamp};
use boxoffice::db::{self, Db, DbError, Priority, Target};
use boxoffice::entity::users;
use boxoffice::http;
use boxoffice::id::{NodeId, OrganizerId, RandomSource, SessionId, UserId};
use sea_orm::Value;

pub mod actor;
pub mod binary;
pub mod events;
pub mod log;
pub mod postgres;
pub mod proxy;
pub mod socket;

pub use actor::{Actor, Answer};

/// The time at which every test begins: 2026-01-01T00:00:00Z.
pub const BEGINNING: Timestamp = Timestamp(1_767_225_600_000_000);

/// The secret of every test; it signs nothing outside the tests.
pub const SECRET: &[u8] = b"a secret that only tests know, long enough for HS256";

/// The longest wait before a test gives up; it bounds waits and never measures one.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A time limit of the service that no test should reach, however slow the machine is.
pub const LONG: Duration = Duration::from_secs(60);

/// Returns time limits of the database that are widened likewise.
pub fn widened() -> db::Settings {
    db::Settings {
        acquire: Some(LONG),
        lock: LONG,
        statement: LONG,
        idle_in_transaction: LONG,
        commit_answer: 2 * LONG,
        busy: LONG,
        queue: LONG,
        ..db::Settings::default()
    }
}

/// Declares a test that runs on both databases.
#[macro_export]
macro_rules! scene {
    ($(#[$meta:meta])* async fn $name:ident($stage:ident: Stage) $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn scene($stage: $crate::harness::Stage) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                scene($crate::harness::Stage::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL: scripts/with-postgres cargo test"]
            async fn postgres() {
                scene($crate::harness::Stage::postgres().await).await;
            }
        }
    };
}

/// Declares a test of a feature that SQLite lacks: on PostgreSQL only.
#[macro_export]
macro_rules! postgres_scene {
    ($(#[$meta:meta])* async fn $name:ident($stage:ident: Stage) $body:block) => {
        $(#[$meta])*
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs PostgreSQL: scripts/with-postgres cargo test"]
            async fn postgres() {
                let $stage = $crate::harness::Stage::postgres().await;
                $body
            }
        }
    };
}

/// An empty database, and the services started on it.
pub struct Stage {
    pub target: Target,
    /// Folder of the database, kept as long as the test runs.
    _folder: Option<tempfile::TempDir>,
}

impl Stage {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(folder.path().join("boxoffice.db"));
        Self { target, _folder: Some(folder) }
    }

    /// Tests that call this are ignored if there is no PostgreSQL for them.
    pub async fn postgres() -> Self {
        Self { target: Target::Postgres(postgres::database().await), _folder: None }
    }

    /// Starts a service with everything in one process.
    pub async fn app(&self) -> TestApp {
        self.app_with(|_| {}).await
    }

    /// Starts a service with other options than the usual ones.
    pub async fn app_with(&self, change: impl FnOnce(&mut Options)) -> TestApp {
        TestApp::on(self.target.clone(), change).await
    }
}

static PEOPLE: AtomicU64 = AtomicU64::new(0);

/// A running service and its address.
#[derive(Clone)]
pub struct TestApp {
    pub app: Arc<App>,
    pub address: String,
    pub clock: Clock,
    pub http: reqwest::Client,
}

impl TestApp {
    /// Starts a service on a database that others may use too.
    pub async fn on(target: Target, change: impl FnOnce(&mut Options)) -> Self {
        log::start();
        let mut options = Options::new(target, Keys::new([SECRET]).unwrap());
        options.clock = Clock::manual(BEGINNING);
        options.hash_cost = Cost::TEST;
        // All clients come from one address here, send requests fast, and time stands still: no bucket would ever
        // refill.
        options.budget = None;
        options.throttle = None;
        options.db = widened();
        options.patience = LONG;
        options.mutation_patience = 2 * LONG;
        options.connections.headers = LONG;
        options.connections.idle = 4 * LONG; // longer than clients keep a connection
        options.connections.per_address = 10_000;
        options.sockets.per_user = 1_000;
        change(&mut options);
        let (clock, connections) = (options.clock.clone(), options.connections);
        let app = App::start(options).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = app.router();
        tokio::spawn(http::listen::serve(listener, router, connections, app.stopping()));
        Self { app: Arc::new(app), address: address.to_string(), clock, http: reqwest::Client::new() }
    }

    pub fn db(&self) -> &Db {
        &self.app.ctx.db
    }

    /// Returns a client without an account.
    pub fn anonymous(&self) -> Actor {
        Actor::new(self, None, UserId(uuid::Uuid::nil()), None)
    }

    pub async fn customer(&self) -> Actor {
        self.person(Role::Customer).await
    }

    pub async fn organizer(&self) -> Actor {
        self.person(Role::Organizer).await
    }

    pub async fn admin(&self) -> Actor {
        self.person(Role::Admin).await
    }

    pub async fn customers(&self, n: usize) -> Vec<Actor> {
        let mut people = Vec::with_capacity(n);
        for _ in 0..n {
            people.push(self.customer().await);
        }
        people
    }

    /// Inserts an account into the tables, with a token: hashing passwords is the subject of other tests.
    pub async fn person(&self, role: Role) -> Actor {
        let n = PEOPLE.fetch_add(1, Ordering::Relaxed);
        let ctx = &self.app.ctx;
        let (user, session, organizer): (UserId, SessionId, OrganizerId) = (ctx.id(), ctx.id(), ctx.id());
        let owner = accounts::first_owner(ctx.id(), user, organizer, ctx.now());
        let row = users::Model {
            id: user,
            email: format!("Person{n}@Example.org"),
            email_key: format!("person{n}@example.org"),
            name: format!("Person {n}"),
            role,
            password_hash: "none".into(),
            disabled_at: None,
            created_at: ctx.now(),
        };
        let (row, owner) = (&row, &owner);
        ctx.db
            .write(Priority::Interactive, |tx| async move {
                accounts::insert_user(&tx, row.clone()).await?;
                if role == Role::Organizer {
                    let slugs = [format!("organizer-{organizer}")];
                    accounts::insert_organizer(&tx, &row.name, &slugs, owner).await?;
                }
                accounts::insert_session(&tx, session, user, ctx.now()).await?;
                Ok::<_, boxoffice::account::Error>(())
            })
            .await
            .unwrap();
        let (token, _) = self.app.services.sessions.token(user, session).unwrap();
        Actor::new(self, Some(token), user, Some(session))
    }

    /// Returns the same user with a token of this moment.
    pub async fn renewed(&self, actor: &Actor) -> Actor {
        let session = actor.session.expect("somebody with a session");
        let (token, _) = self.app.services.sessions.token(actor.user, session).unwrap();
        Actor { token: Some(token), ..actor.clone() }
    }

    /// Returns a single number from the database.
    pub async fn number<const N: usize>(&self, sql: &str, binds: [Value; N]) -> i64 {
        db::number(self.db().read(), sql, binds).await.unwrap()
    }

    /// Changes the database behind the service's back.
    pub async fn sql<const N: usize>(&self, sql: &str, binds: [Value; N]) -> u64 {
        let binds = &binds;
        let run = |tx: db::Tx| async move { db::run(&tx, sql, binds.clone()).await };
        self.db().write::<_, DbError, _, _>(Priority::Interactive, run).await.unwrap()
    }

    /// Ends every sign-in of a user behind the service's back, as another process would.
    pub async fn revoke(&self, user: UserId) {
        let now = self.clock.now();
        let revoke = |tx: db::Tx| async move {
            let sql = "UPDATE session SET revoked_at = $2 WHERE user_id = $1";
            db::run(&tx, sql, [user.into(), now.into()]).await?;
            revocation::revoke_all(&tx, user, now).await
        };
        self.db().write::<_, DbError, _, _>(Priority::Interactive, revoke).await.unwrap();
    }

    /// Waits until a condition holds; panics after a long time.
    pub async fn eventually<F, Fut>(&self, what: &str, condition: F)
    where
        F: Fn() -> Fut,
        Fut: Future<Output = bool>,
    {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        let wait = async {
            while !condition().await {
                pace.tick().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "waited in vain until {what}");
    }

    /// Waits until every domain event was numbered and reacted to, and no job is due or running.
    pub async fn settled(&self) {
        self.eventually("everything followed", || async {
            let open = "SELECT (SELECT count(*) FROM domain_event WHERE seq IS NULL)
                      + (SELECT h.last - c.last FROM stream_head h, consumer c WHERE c.name = 'reactions')
                      + (SELECT count(*) FROM job WHERE state = 'running' OR (state = 'available' AND run_at <= $1)) AS n";
            self.number(open, [self.clock.now().into()]).await == 0
        })
        .await;
    }

    /// Waits the same way without a worker: jobs may wait.
    pub async fn reacted(&self) {
        self.eventually("every domain_event was reacted to", || async {
            let open = "SELECT (SELECT count(*) FROM domain_event WHERE seq IS NULL)
                      + (SELECT h.last - c.last FROM stream_head h, consumer c WHERE c.name = 'reactions') AS n";
            self.number(open, []).await == 0
        })
        .await;
    }

    /// Returns the number of domain events of a kind.
    pub async fn domain_events(&self, kind: &str) -> i64 {
        self.number("SELECT count(*) AS n FROM domain_event WHERE kind = $1", [kind.into()]).await
    }

    /// Returns the number of notices of a kind that a user has.
    pub async fn notices(&self, user: UserId, kind: &str) -> i64 {
        let sql = "SELECT count(*) AS n FROM notice WHERE user_id = $1 AND cause = $2";
        self.number(sql, [user.into(), kind.into()]).await
    }

    /// Returns the tickets sold of an event, by its counter.
    pub async fn sold(&self, event: &str) -> i64 {
        let event = boxoffice::id::EventId::parse(event).unwrap();
        self.number("SELECT CAST(SUM(sold) AS bigint) AS n FROM quota WHERE event_id = $1", [event.into()]).await
    }

    /// Compares the counted columns of an event with a recount.
    pub async fn assert_counted(&self, event: &str) {
        let id = boxoffice::id::EventId::parse(event).unwrap();
        for (counted, recount) in crate::audit::COUNTED {
            let off = self.number(&format!("{recount} AND q.event_id = $1"), [id.into()]).await;
            assert_eq!(off, 0, "{counted}");
        }
    }

    /// Checks the invariants of an event: counters equal bookings, nothing oversold, positions in order.
    pub async fn assert_sound(&self, event: &str) {
        let id = boxoffice::id::EventId::parse(event).unwrap();
        let booked = "SELECT CAST(COALESCE(SUM(i.quantity), 0) AS bigint) AS n FROM booking b
                      JOIN booking_item i ON i.booking_id = b.id WHERE b.event_id = $1 AND b.status = 'CONFIRMED'";
        let booked = self.number(booked, [id.into()]).await;
        assert_eq!(booked, self.sold(event).await, "the counter tells what the bookings tell");
        let over = "SELECT count(*) AS n FROM quota WHERE event_id = $1 AND (sold + held > capacity OR sold < 0)";
        assert_eq!(self.number(over, [id.into()]).await, 0, "nothing is oversold");
        let twice = "SELECT count(*) AS n FROM (SELECT quota_id, position_key FROM waitlist_entry WHERE event_id = $1
                     AND status = 'WAITING' GROUP BY quota_id, position_key HAVING count(*) > 1) t";
        assert_eq!(self.number(twice, [id.into()]).await, 0, "nobody shares a place in the line");
        let idle = "SELECT count(*) AS n FROM quota q JOIN event e ON e.id = q.event_id
                    JOIN stock s ON s.event_id = e.id WHERE q.event_id = $1
                    AND e.status = 'PUBLISHED' AND q.capacity > q.sold + q.held AND EXISTS
                    (SELECT 1 FROM waitlist_entry w WHERE w.quota_id = q.id AND w.status = 'WAITING' AND w.position_key =
                       (SELECT min(position_key) FROM waitlist_entry x WHERE x.quota_id = q.id AND x.status = 'WAITING'
                        AND x.terms = s.terms AND (x.accepts_part = 1 OR x.quantity <= q.capacity))
                     AND (w.accepts_part = 1 OR w.quantity <= q.capacity - q.sold - q.held))";
        self.assert_counted(event).await;
        assert_eq!(self.number(idle, [id.into()]).await, 0, "no place is free that the head of the line would take");
    }
}

/// Returns a random source with a printed seed, so that a failure can be repeated: `BOXOFFICE_SEED=…`. Concurrent tasks
/// draw from sources of their own ([`apart`]); otherwise the scheduler would decide the order of the draws.
pub fn seeded(scene: &str) -> RandomSource {
    let given = std::env::var("BOXOFFICE_SEED").ok().map(|text| text.parse().expect("BOXOFFICE_SEED is a number"));
    let seed = given.unwrap_or_else(|| u64::from_le_bytes(RandomSource::system().bytes()));
    println!("{scene}: BOXOFFICE_SEED={seed}");
    RandomSource::seeded(seed)
}

/// Returns a source for one of many concurrent tasks.
pub fn apart(random: &RandomSource) -> RandomSource {
    RandomSource::seeded(u64::from_le_bytes(random.bytes()))
}

/// Holds the lock of an event's inventory, or on SQLite of the whole database, until it is released.
pub struct HeldStock {
    release: tokio::sync::oneshot::Sender<()>,
    held: tokio::task::JoinHandle<()>,
}

impl TestApp {
    /// Takes the lock that every change of the inventory takes first.
    pub async fn hold_stock(&self, event: &str) -> HeldStock {
        HeldStock::take(self.db(), event).await
    }
}

impl HeldStock {
    /// Takes the lock that every change of the inventory takes first.
    pub async fn take(db: &Db, event: &str) -> Self {
        Self::by(db, "UPDATE stock SET revision = revision WHERE event_id = $1", event).await
    }

    /// Runs a statement about an event, and commits it when released.
    pub async fn by(db: &Db, sql: &'static str, event: &str) -> Self {
        let event = boxoffice::id::EventId::parse(event).unwrap();
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let (taken, is_taken) = tokio::sync::oneshot::channel::<()>();
        let db = db.clone();
        let held = tokio::spawn(async move {
            // Moved out of the cell by the only run of the closure.
            let cells = std::sync::Mutex::new(Some((taken, released)));
            let cells = &cells;
            let hold = |tx: db::Tx| async move {
                db::run(&tx, sql, [event.into()]).await?;
                let taken = cells.lock().unwrap().take();
                if let Some((taken, released)) = taken {
                    let _ = taken.send(());
                    let _ = released.await;
                }
                Ok::<_, DbError>(())
            };
            db.write(Priority::Interactive, hold).await.unwrap();
        });
        is_taken.await.unwrap();
        Self { release, held }
    }

    pub async fn release(self) {
        let _ = self.release.send(());
        self.held.await.unwrap();
    }
}
