//! The demo: believable people, events and bookings in a fresh database, made through the real verbs.
//! Not here: deciding whether there is to be one (`cli`), and anything that treats demo data differently afterwards.
//!
//! The verbs run on a clock of their own that walks through the past weeks, so the bookings have a history.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::access::{Actor, Role, SignedIn, Via};
use crate::account::password::{Cost, Hasher};
use crate::account::sign_up::{self, NewAccount};
use crate::account::store;
use crate::booking::cancel::cancel;
use crate::booking::desk::{Desk, Settings};
use crate::booking::place::{Order, place};
use crate::booking::waitlist::{Join, join};
use crate::bus::Bus;
use crate::clock::{Clock, Micros};
use crate::ctx::Ctx;
use crate::db::{self, Db, DbError, Lane};
use crate::event::create::{NewEvent, create};
use crate::event::publish::publish;
use crate::id::{Chance, EventId};
use crate::notification::{deliver, inbox};
use crate::queue::worker::{LEASE, Worker};
use crate::reactions;
use crate::relay::{number, react};
use crate::status::Fulfilment;

pub mod cast;
pub mod remove;

use cast::{CROWD, EVENTS, PASSWORD, PEOPLE, Play};

/// How far back the history begins.
const HISTORY: Duration = Duration::from_secs(21 * 24 * 3_600);

/// The ending of every demo address.
pub const DOMAIN: &str = "@demo.test";

/// Why the demo could not be made. Whatever was made stays; it is a demo.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A verb refused, which no demo should make it do.
    #[error("the demo was refused: {0}")]
    Refused(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Refused(error.to_string())
}

/// What there is of a demo in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Events, the draft included.
    pub events: i64,
    /// Bookings, cancelled ones included.
    pub bookings: i64,
    /// People in lines.
    pub waiting: i64,
}

/// Whether nobody ever had an account here.
pub async fn is_fresh(db: &Db) -> Result<bool, DbError> {
    Ok(db::number(db.read(), "SELECT count(*) AS n FROM users", []).await? == 0)
}

/// How many demo accounts can sign in.
pub async fn accounts(db: &Db) -> Result<i64, DbError> {
    let sql = "SELECT count(*) AS n FROM users WHERE email_key LIKE $1 AND disabled_at IS NULL";
    db::number(db.read(), sql, [format!("%{DOMAIN}").into()]).await
}

/// What there is.
pub async fn counts(db: &Db) -> Result<Counts, DbError> {
    let count = async |sql: &str| db::number(db.read(), sql, []).await;
    Ok(Counts {
        events: count("SELECT count(*) AS n FROM event").await?,
        bookings: count("SELECT count(*) AS n FROM booking").await?,
        waiting: count("SELECT count(*) AS n FROM waitlist_entry WHERE status = 'WAITING'").await?,
    })
}

/// Whether whoever made the demo here was interrupted.
pub async fn is_half_made(db: &Db) -> Result<bool, DbError> {
    Ok(db::number(db.read(), "SELECT count(*) AS n FROM meta WHERE name = 'demo_begun'", []).await? > 0)
}

/// Says that a demo is being made here, or that it is whole.
async fn mark(db: &Db, begun: bool) -> Result<u64, DbError> {
    let sql = match begun {
        true => "INSERT INTO meta (name, value) VALUES ('demo_begun', '1') ON CONFLICT DO NOTHING",
        false => "DELETE FROM meta WHERE name = 'demo_begun'",
    };
    db.write(Lane::Worker, |tx| async move { db::run(&tx, sql, []).await }).await
}

/// Makes the demo as of `now`.
pub async fn make(db: &Db, now: Micros) -> Result<Counts, Error> {
    mark(db, true).await?;
    let ctx = Ctx {
        actor: Actor::System,
        peer: None,
        lease: None,
        db: db.clone(),
        clock: Clock::manual(now.minus(HISTORY)),
        chance: Chance::system(),
    };
    let desk = Desk::open(&ctx, Settings::for_db(db.is_sqlite()));
    let cast = sign_everybody_up(&ctx).await?;
    let events = open_events(&ctx, &cast, now).await?;
    play(&ctx, &desk, &cast, &events, now).await?;
    settle(&ctx).await?;
    mark(db, false).await?;
    Ok(counts(db).await?)
}

type Cast = HashMap<&'static str, Actor>;

/// The people who can be acted as get a real password; the crowd gets one nobody knows, hashed cheaply.
async fn sign_everybody_up(ctx: &Ctx) -> Result<Cast, Error> {
    let real = Hasher::new(Cost::STANDARD, 2).map_err(refused)?;
    let cheap = Hasher::new(Cost::TEST, 2).map_err(refused)?;
    let mut cast = Cast::new();
    let known = join_all(PEOPLE.iter().map(|person| {
        sign_one_up(ctx, &real, person.email, person.name, person.organizer, person.role, PASSWORD.to_owned())
    }))
    .await;
    let nobody: String = ctx.chance.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let crowd = join_all(
        CROWD.iter().map(|(email, name)| sign_one_up(ctx, &cheap, email, name, None, Role::Customer, nobody.clone())),
    )
    .await;
    for signed_up in known.into_iter().chain(crowd) {
        let (email, actor) = signed_up?;
        cast.insert(email, actor);
    }
    Ok(cast)
}

async fn sign_one_up(
    ctx: &Ctx,
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
    let opened = sign_up::create_user(ctx, hasher, account, role).await.map_err(refused)?;
    let organizer = store::organizer_of(ctx.db.read(), opened.user).await?;
    let expires_at = Micros(i64::MAX);
    let signed_in = SignedIn { user: opened.user, role, organizer, via: Via::Session(opened.session), expires_at };
    Ok((email, Actor::User(signed_in)))
}

async fn open_events(ctx: &Ctx, cast: &Cast, now: Micros) -> Result<Vec<EventId>, Error> {
    let mut events = Vec::new();
    for play in EVENTS {
        let ctx = ctx.acting_as(cast[play.organizer]); // the cast holds everybody the plays name; a test plays them all
        let (starts_at, ends_at) = times(play, now)?;
        let new = NewEvent {
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
        let event = create(&ctx, new, None).await.map_err(refused)?;
        if !play.draft {
            publish(&ctx, event).await.map_err(refused)?;
        }
        events.push(event);
    }
    Ok(events)
}

/// In so many days, at this time of day where it takes place.
fn times(play: &Play, now: Micros) -> Result<(Micros, Micros), Error> {
    let zone: Tz = play.time_zone.parse().map_err(refused)?;
    let today = Utc.timestamp_micros(now.0).single().ok_or_else(|| refused("no such day"))?.with_timezone(&zone);
    let day = today.date_naive().checked_add_days(Days::new(play.in_days)).ok_or_else(|| refused("no such day"))?;
    let time = NaiveTime::from_hms_opt(play.hour, 0, 0).ok_or_else(|| refused("no such hour"))?;
    let local = zone.from_local_datetime(&day.and_time(time)).earliest().ok_or_else(|| refused("no such hour"))?;
    let starts_at = Micros(local.timestamp_micros());
    Ok((starts_at, starts_at.plus(Duration::from_secs(play.hours * 3_600))))
}

/// Books, cancels and waits, spread over the history.
async fn play(ctx: &Ctx, desk: &Desk, cast: &Cast, events: &[EventId], now: Micros) -> Result<(), Error> {
    let orders = cast::orders(&ctx.chance);
    let begin = now.minus(HISTORY);
    let chunk = 8;
    for (at, some) in orders.chunks(chunk).enumerate() {
        // The pace quickens towards the present, as sales do.
        let done = ((at + 1) * chunk) as f64 / (orders.len() + chunk) as f64;
        let span = HISTORY.mul_f64(done.sqrt()).saturating_sub(Duration::from_secs(600));
        ctx.clock.set(begin.plus(span));
        let placed = join_all(some.iter().map(|order| async {
            let ctx = ctx.acting_as(cast[order.who]);
            let wish = Order {
                event: events[order.event],
                slot: None,
                items: Vec::new(),
                quantity: Some(order.quantity),
                fulfilment: Fulfilment::AllOrNothing,
                expected_total: None,
            };
            (place(&ctx, desk, wish, None).await, ctx, order.cancels)
        }))
        .await;
        for (placed, ctx, cancels) in placed {
            let placed = placed.map_err(refused)?;
            if let (true, Some(booking)) = (cancels, placed.booking) {
                cancel(&ctx, booking).await.map_err(refused)?;
            }
        }
    }
    for (who, event, quantity) in cast::LINE {
        let ctx = ctx.acting_as(cast[who]);
        let wish = Join { event: events[*event], kind: None, quantity: *quantity, accepts_part: *quantity > 2 };
        join(&ctx, wish, None).await.map_err(refused)?;
    }
    Ok(())
}

/// Lets everything follow, without a line in the log for what is made up.
async fn settle(ctx: &Ctx) -> Result<(), Error> {
    let react = reactions::react(ctx.clone());
    loop {
        let numbered = number::number(&ctx.db).await?;
        let reacted = react::react(ctx, &react).await?;
        if numbered == number::Step::Nothing && !matches!(reacted, react::Step::Reacted { .. }) {
            break;
        }
    }
    let worker = Worker {
        ctx: ctx.clone(),
        bus: Bus::default(),
        handlers: Arc::new(HashMap::from([(inbox::DELIVER, deliver::handler(ctx.clone(), deliver::Channel::Quiet))])),
        long: &[],
        lease: LEASE,
        enqueued: Arc::new(Notify::new()),
    };
    Ok(worker.drain().await?)
}
