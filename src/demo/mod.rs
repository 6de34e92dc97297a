//! The demo: users, events and bookings in a new database, created through the same verbs as real ones.
//! Not here: the decision whether to create it (`cli`).
//!
//! Every start creates the same demo: events with the same ids, bookings with the same references, notices with the
//! same numbers. The random numbers have a fixed seed, users and events are created at a fixed date, and orders are
//! decided one batch after another. Only the other dates follow the day of creation: events take place some days later,
//! and bookings are spread over the three weeks before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::access::{Actor, Memberships, Role, SignedIn, Via};
use crate::account::password::{Cost, Hasher};
use crate::account::sign_up::{self, NewAccount};
use crate::account::store;
use crate::booking::cancel::cancel;
use crate::booking::order::{Order, Request, place_all};
use crate::booking::waitlist::{Join, join};
use crate::bus::Bus;
use crate::clock::{Clock, Timestamp};
use crate::ctx::Ctx;
use crate::db::{self, Db, DbError, Priority};
use crate::event::create::{NewEvent, create};
use crate::event::publish::publish;
use crate::id::{EventId, RandomSource};
use crate::notification::deliver::{Channel, Delivery};
use crate::queue::registry::Registry;
use crate::queue::worker::{LEASE, Worker};
use crate::reactions;
use crate::relay::{number, react};
use crate::status::Fulfilment;

pub mod remove;
pub mod seed;

use seed::{DemoOrder, EVENTS, PASSWORD, PEOPLE, Play, SEED_CUSTOMERS};

/// Length of the history of bookings.
const HISTORY: Duration = Duration::from_secs(21 * 24 * 3_600);

/// Length of a day in microseconds.
const DAY: i64 = 24 * 3_600 * 1_000_000;

/// Time of the sign-up of the users and the creation of the events: 2025-01-06T08:00:00Z. Fixed, because ids contain a
/// time.
const FOUNDED: Timestamp = Timestamp(1_736_150_400_000_000);

/// Seed of ids, references and orders.
const SEED: u64 = 1;

/// Domain of every demo address.
pub const DOMAIN: &str = "@demo.test";

/// Failure to create the demo. A half-made demo is recreated at the next start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A verb refused a request, which is a fault of the demo data.
    #[error("the demo was refused: {0}")]
    Refused(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Refused(error.to_string())
}

/// Size of the demo in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Events, the draft included.
    pub events: i64,
    /// Bookings, cancelled ones included.
    pub bookings: i64,
    /// Waitlist entries that are waiting.
    pub waiting: i64,
}

/// Returns true if the database has no accounts.
pub async fn is_fresh(db: &Db) -> Result<bool, DbError> {
    Ok(db::number(db.read(), "SELECT count(*) AS n FROM users", []).await? == 0)
}

/// Returns the number of demo accounts that can sign in.
pub async fn accounts(db: &Db) -> Result<i64, DbError> {
    let sql = "SELECT count(*) AS n FROM users WHERE email_key LIKE $1 AND disabled_at IS NULL";
    db::number(db.read(), sql, [format!("%{DOMAIN}").into()]).await
}

/// Counts events, bookings and waitlist entries.
pub async fn counts(db: &Db) -> Result<Counts, DbError> {
    let count = async |sql: &str| db::number(db.read(), sql, []).await;
    Ok(Counts {
        events: count("SELECT count(*) AS n FROM event").await?,
        bookings: count("SELECT count(*) AS n FROM booking").await?,
        waiting: count("SELECT count(*) AS n FROM waitlist_entry WHERE status = 'WAITING'").await?,
    })
}

/// Returns true if the creation of the demo was interrupted.
pub async fn is_half_made(db: &Db) -> Result<bool, DbError> {
    Ok(db::number(db.read(), "SELECT count(*) AS n FROM meta WHERE name = 'demo_begun'", []).await? > 0)
}

/// Records that the creation of the demo has begun, or that it is complete.
async fn mark(db: &Db, begun: bool) -> Result<u64, DbError> {
    let sql = match begun {
        true => "INSERT INTO meta (name, value) VALUES ('demo_begun', '1') ON CONFLICT DO NOTHING",
        false => "DELETE FROM meta WHERE name = 'demo_begun'",
    };
    db.write(Priority::Worker, |tx| async move { db::run(&tx, sql, []).await }).await
}

/// Creates the demo as of the day of `now`.
pub async fn make(db: &Db, now: Timestamp) -> Result<Counts, Error> {
    mark(db, true).await?;
    let today = Timestamp(now.0 - now.0.rem_euclid(DAY));
    let ctx = Ctx {
        actor: Actor::System,
        peer: None,
        lease: None,
        db: db.clone(),
        clock: Clock::manual(FOUNDED.min(today.minus(HISTORY))),
        random: RandomSource::seeded(SEED),
    };
    let users = sign_everybody_up(&ctx).await?;
    let events = create_events(&ctx, &users, today).await?;
    ctx.clock.set(today.minus(HISTORY));
    publish_events(&ctx, &users, &events).await?;
    play(&ctx, &users, &events, today).await?;
    run_reactions(&ctx).await?;
    mark(db, false).await?;
    Ok(counts(db).await?)
}

type SeedUsers = HashMap<&'static str, Actor>;

/// Signs up all users. The demo accounts get the public password; the other customers get an unknown one, hashed with
/// cheap parameters. Session secrets are truly random: a fixed seed would make them public. Each user signs up at a
/// time of their own, so that the order of accounts does not depend on which hash is ready first.
async fn sign_everybody_up(ctx: &Ctx) -> Result<SeedUsers, Error> {
    let total = (PEOPLE.len() + SEED_CUSTOMERS.len()) as u64;
    let at = |n: usize| {
        let clock = Clock::manual(ctx.now().minus(Duration::from_secs(total - n as u64)));
        Ctx { clock, random: RandomSource::system(), ..ctx.clone() }
    };
    let real = Hasher::new(Cost::STANDARD, 2).map_err(refused)?;
    let cheap = Hasher::new(Cost::TEST, 2).map_err(refused)?;
    let mut users = SeedUsers::new();
    let known = join_all(PEOPLE.iter().enumerate().map(|(n, person)| {
        sign_one_up(at(n), &real, person.email, person.name, person.organizer, person.role, PASSWORD.to_owned())
    }))
    .await;
    let nobody = hex::encode(RandomSource::system().bytes::<16>());
    let customers = join_all(SEED_CUSTOMERS.iter().enumerate().map(|(n, (email, name))| {
        sign_one_up(at(PEOPLE.len() + n), &cheap, email, name, None, Role::Customer, nobody.clone())
    }))
    .await;
    for signed_up in known.into_iter().chain(customers) {
        let (email, actor) = signed_up?;
        users.insert(email, actor);
    }
    Ok(users)
}

async fn sign_one_up(
    ctx: Ctx,
    hasher: &Hasher,
    email: &'static str,
    name: &str,
    organizer: Option<&str>,
    role: Role,
    password: String,
) -> Result<(&'static str, Actor), Error> {
    let account = NewAccount {
        email: email.to_owned(),
        password,
        name: name.to_owned(),
        organizer_name: organizer.map(str::to_owned),
    };
    let opened = sign_up::create_user(&ctx, hasher, account, role).await.map_err(refused)?;
    let memberships = store::memberships_of(ctx.db.read(), opened.user).await?;
    let memberships = Memberships::of(memberships.into_iter().map(|row| (row.organizer_id, row.role)));
    let expires_at = Timestamp(i64::MAX);
    let signed_in = SignedIn { user: opened.user, role, memberships, via: Via::Session(opened.session), expires_at };
    Ok((email, Actor::User(signed_in)))
}

async fn create_events(ctx: &Ctx, users: &SeedUsers, today: Timestamp) -> Result<Vec<EventId>, Error> {
    let mut events = Vec::new();
    for play in EVENTS {
        let ctx = ctx.acting_as(users[play.organizer]); // holds every organizer of EVENTS; a test creates them all
        let (starts_at, ends_at) = times(play, today)?;
        let new = NewEvent {
            organizer: None,
            title: play.title.to_owned(),
            description: play.description.to_owned(),
            venue: play.venue.to_owned(),
            time_zone: play.time_zone.to_owned(),
            starts_at,
            ends_at,
            capacity: play.capacity,
            price: play.price.to_owned(),
            currency: play.currency.to_owned(),
        };
        events.push(create(&ctx, new, None).await.map_err(refused)?);
    }
    Ok(events)
}

async fn publish_events(ctx: &Ctx, users: &SeedUsers, events: &[EventId]) -> Result<(), Error> {
    for (play, event) in EVENTS.iter().zip(events).filter(|(play, _)| !play.draft) {
        publish(&ctx.acting_as(users[play.organizer]), *event).await.map_err(refused)?;
    }
    Ok(())
}

/// Returns start and end of the event: some days after `today` (midnight UTC), at its hour in its time zone.
fn times(play: &Play, today: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let zone: Tz = play.time_zone.parse().map_err(refused)?;
    let today = Utc.timestamp_micros(today.0).single().ok_or_else(|| refused("no such day"))?;
    let day = today.date_naive().checked_add_days(Days::new(play.in_days)).ok_or_else(|| refused("no such day"))?;
    let time = NaiveTime::from_hms_opt(play.hour, 0, 0).ok_or_else(|| refused("no such hour"))?;
    let local = zone.from_local_datetime(&day.and_time(time)).earliest().ok_or_else(|| refused("no such hour"))?;
    let starts_at = Timestamp(local.timestamp_micros());
    Ok((starts_at, starts_at.plus(Duration::from_secs(play.hours * 3_600))))
}

/// Books, cancels and joins the waitlist, spread over the history.
async fn play(ctx: &Ctx, users: &SeedUsers, events: &[EventId], today: Timestamp) -> Result<(), Error> {
    let orders = seed::orders(&ctx.random);
    let begin = today.minus(HISTORY);
    let chunk = 8;
    for (at, some) in orders.chunks(chunk).enumerate() {
        // Sales accelerate towards the present, as real ones do.
        let done = ((at + 1) * chunk) as f64 / (orders.len() + chunk) as f64;
        let span = HISTORY.mul_f64(done.sqrt()).saturating_sub(Duration::from_secs(600));
        ctx.clock.set(begin.plus(span));
        let placed = place_all(ctx, &requests(some, users, events)).await?;
        for (placed, order) in placed.into_iter().zip(some) {
            let placed = placed.map_err(refused)?;
            if let (true, Some(booking)) = (order.cancels, placed.booking) {
                cancel(&ctx.acting_as(users[order.who]), booking).await.map_err(refused)?;
            }
        }
    }
    for (who, event, quantity) in seed::LINE {
        let ctx = ctx.acting_as(users[who]);
        let request =
            Join { event: events[*event], ticket_type: None, quantity: *quantity, accepts_part: *quantity > 2 };
        join(&ctx, request, None).await.map_err(refused)?;
    }
    Ok(())
}

/// Returns the orders as the batcher would collect them into one batch. The composition of a batch must not depend on
/// the batcher's timing.
fn requests(orders: &[DemoOrder], users: &SeedUsers, events: &[EventId]) -> Vec<Request> {
    let request = |order: &DemoOrder| {
        let request = Order {
            event: events[order.event],
            slot: None,
            items: Vec::new(),
            quantity: Some(order.quantity),
            fulfilment: Fulfilment::AllOrNothing,
            expected_total: None,
        };
        users[order.who].user_id().map(|user| Request { user, order: request, key: None })
    };
    orders.iter().filter_map(request).collect()
}

/// Runs the relay and the jobs until all reactions are complete, without log lines for the notices of the demo.
async fn run_reactions(ctx: &Ctx) -> Result<(), Error> {
    let consumer = reactions::consumer(ctx.clone());
    loop {
        let numbered = number::number(&ctx.db).await?;
        let reacted = react::react(ctx, &consumer).await?;
        if numbered == number::Step::Nothing && !matches!(reacted, react::Step::Reacted(_)) {
            break;
        }
    }
    let worker = Worker {
        ctx: ctx.clone(),
        bus: Bus::default(),
        registry: Registry::default().batch(Delivery { ctx: ctx.clone(), channel: Channel::Quiet }).map_err(refused)?,
        lease: LEASE,
        enqueued: Arc::new(Notify::new()),
    };
    Ok(worker.drain().await?)
}
