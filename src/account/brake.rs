//! Brakes on guessing: whoever is wrong waits, longer each time. Rows, so that all processes share them; counted per
//! attempt, so that an alias or a batch is no way around; asked before any password is hashed.
//! Not here: what a viewer may ask otherwise (`graphql::budget`).
//!
//! What waits is an account at a *place* (an IPv4 address, or an IPv6 network of 64 bits), a place with all accounts (one
//! password tried on many), and last an account with all places together, for those who guess from many. A wait alone is
//! no turn: whoever asks again fastest would take every opening. So that no stranger locks anybody out (OWASP ASVS 5.0,
//! 6.3):
//!
//! * Where an account was opened, signed in or renewed within 90 days it is *familiar*, and only wrong passwords for this
//!   account at this place count, with a wait of 5 seconds at most. What others do there to other accounts, and elsewhere
//!   to this one, is not asked. What is left to a guesser who shares the address: 17,280 guesses a day.
//! * Anywhere else, whoever is refused because the account is being guessed gets a *turn*: they come back after the time
//!   they were told, within an hour, and that refusal is over for them, however often others ask meanwhile. A turn belongs
//!   to the account and a network (an IPv4 address; of IPv6 48 bits, which anybody gets for nothing) and is good once.
//!   What is left to guessers: a guess every 30 seconds of each network, and one more of all together; and of each place
//!   no more than its own brake lets through, some fifteen in half an hour and then four an hour.
//! * A place where somebody tries many accounts has no turns: they would have one for each of them. Accounts that are not
//!   familiar there share its openings, one a minute, first come, first served. Who is new at such an address waits until
//!   that ends, or comes from another.
//! * Two who try one account from the same place, or take a turn from the same network, cannot be told apart; the faster
//!   one comes first.
//!
//! An attempt counts as wrong when it begins, and is taken back when it turns out right or nobody could judge it: attempts
//! that run side by side count each other. How long to wait follows from the failures and the time of the last one, so
//! that what is taken back leaves nothing. A failure further ahead than the longest wait is from a clock that was set back,
//! and brakes nobody.
//!
//! What is refused here does not count, and is remembered for a second: a flood from one place costs the database nothing
//! at one account, and ten look-ups a second at many (`benches/under_attack.rs`). A familiar account that comes eleventh
//! is told to come again within that second.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use sea_orm::FromQueryResult;
use sha2::{Digest, Sha256};

use super::Error;
use crate::access::Peer;
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, Db, DbError, Lane, Tx, record};

/// How patient one brake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So many attempts are free.
    pub free: i64,
    /// Then a second, two, four … up to this.
    pub longest: Duration,
}

/// How patient the brakes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// One account from one place; 5, up to 15 minutes.
    pub account_here: Patience,
    /// One account from a place familiar to it; 5, up to 5 seconds, because its owner is there.
    pub account_at_home: Patience,
    /// All accounts from one place, but those it is familiar to; 50, up to a minute. Generous, because many people share
    /// an address.
    pub place: Patience,
    /// One account from all places that are not familiar to it; 100, up to 30 seconds.
    pub account: Patience,
    /// New accounts from one place, and questions whether there is one already; 20, up to a minute.
    pub sign_up: Patience,
    /// Refresh tokens that never were, from one place; 20, up to a minute.
    pub refresh: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        let of = |free, seconds| Patience { free, longest: Duration::from_secs(seconds) };
        Self {
            account_here: of(5, 900),
            account_at_home: of(5, 5),
            place: of(50, 60),
            account: of(100, 30),
            sign_up: of(20, 60),
            refresh: of(20, 60),
        }
    }
}

/// After so long without a failure a brake is released; after so long a turn is lost.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// How long a place counts as one the account is signed in from.
const FAMILIAR_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How often that is written anew: a session is renewed every quarter of an hour.
const FAMILIAR_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// How long a refusal is remembered without asking again. Somebody who was right meanwhile releases their brake; they
/// would not notice a second.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// How many refusals are remembered at once.
const REFUSALS: u64 = 10_000;

/// How many attempts are looked up all the same while a refusal of their place is remembered: the account may be familiar.
const LOOKS: u32 = 10;

/// The brakes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Brake {
    /// None: attempts are not counted.
    settings: Option<Settings>,
    /// What was just refused, by key.
    refused: Cache<String, Refusal>,
}

#[derive(Debug, Clone)]
struct Refusal {
    /// When it was.
    at: Micros,
    /// Until when one has to wait.
    until: Micros,
    /// How many are still looked up all the same.
    looks: Arc<AtomicU32>,
}

/// One attempt that was let through.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Attempt {
    /// To be taken back when it turns out right.
    counted: Vec<Counted>,
    /// To be released altogether then: the account at this place.
    here: Option<String>,
    /// To be remembered then.
    familiar: Familiar,
    /// What it used up.
    turn: Option<Turn>,
}

/// An account's being at home at a place, once it has shown that it is.
#[derive(Debug, Clone, Default)]
pub struct Familiar(Option<String>);

/// Whose turn it is past the refusal of everybody else.
#[derive(Debug, Clone)]
struct Turn {
    /// What they need not ask.
    past: String,
    row: Row,
}

record! {
    struct Key {
        key: String,
    }
}

record! {
    /// One failure more: what it makes of the row, and when the one before it was.
    struct Counted {
        key: String,
        failures: i64,
        at: Micros,
        last_at: Micros,
    }
}

record! {
    struct Kept {
        key: String,
        failures: i64,
        until: Micros,
        last_at: Micros,
    }
}

/// A brake: how many failures, and when the last one was. Or a turn: when it was given, and when it begins (`until`). Or
/// a familiar place: when it was last seen to be one.
#[derive(Debug, Clone, FromQueryResult)]
struct Row {
    key: String,
    failures: i64,
    until: Micros,
    last_at: Micros,
}

impl Brake {
    /// Brakes with these settings; none: attempts are not counted.
    pub fn new(settings: Option<Settings>) -> Self {
        Self { settings, refused: Cache::new(REFUSALS) }
    }

    /// An attempt at an account's password. What becomes of it: [`Attempt::closed`].
    pub async fn password(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let Some(settings) = self.settings else { return Ok(Attempt::default()) };
        let (place, now) = (place(ctx), ctx.now());
        let here = hashed("account here", &[account, &place]);
        let everyone_here = hashed("place", &[&place]);
        let strangers = hashed("account", &[account]);
        let turns = hashed("turn", &[account, &network(ctx)]);
        let familiar = familiar(ctx, account);
        self.recall(&[&here, &turns], now)?;
        self.recall_all_but_some(&everyone_here, now)?;
        loop {
            let asked = [&here, &everyone_here, &strangers, &turns, &familiar].into_iter().cloned();
            let rows = read(ctx.db.read(), asked).await?;
            let find = |key: &String| rows.iter().find(|row| row.key == *key);
            if find(&familiar).is_some_and(|row| row.last_at > now.minus(FAMILIAR_FOR)) {
                let brakes = vec![(here.clone(), settings.account_at_home)];
                refused(self.latest(&rows, &brakes, now), now)?;
                let counted = self.count(ctx, brakes, None).await?;
                return Ok(Attempt { counted, here: Some(here), familiar: Familiar(Some(familiar)), turn: None });
            }
            let mut brakes = vec![(here.clone(), settings.account_here), (everyone_here.clone(), settings.place)];
            let mut latest = self.latest(&rows, &brakes, now);
            let mut turn = None;
            if let Some(row) = find(&strangers).filter(|row| row.waits_until(settings.account, now) > now) {
                let given = find(&turns).filter(|turn| turn.is_turn(settings.account, now));
                let row = match given {
                    Some(given) => given.clone(),
                    None => self.give_turn(ctx, &turns, settings.account, row.failures).await?,
                };
                latest = latest.max(self.noted(&row.key, row.until, now));
                turn = Some(Turn { past: strangers.clone(), row });
            }
            refused(latest, now)?;
            brakes.push((strangers.clone(), settings.account));
            match self.count(ctx, brakes, turn.as_ref()).await {
                Err(Error::Braked(_)) => {} // somebody was faster; so this one is braked, or gets a turn
                counted => {
                    let familiar = Familiar(Some(familiar));
                    return Ok(Attempt { counted: counted?, here: Some(here), familiar, turn });
                }
            }
        }
    }

    /// A new account. It stays counted when it is made, and when there is one with this address already: that would tell
    /// who has an account.
    pub async fn sign_up(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let Some(settings) = self.settings else { return Ok(Attempt::default()) };
        let brakes = vec![(hashed("sign up", &[&place(ctx)]), settings.sign_up)];
        let counted = self.ask_and_count(ctx, brakes).await?;
        Ok(Attempt { counted, familiar: self.familiar(ctx, account), ..Attempt::default() })
    }

    /// A refresh token that never was. One that was is not asked for: nobody guesses 256 bits, and whoever has a good one
    /// is not braked by others.
    pub async fn made_up_refresh(&self, ctx: &Ctx) -> Result<(), Error> {
        let Some(settings) = self.settings else { return Ok(()) };
        self.ask_and_count(ctx, vec![(hashed("refresh", &[&place(ctx)]), settings.refresh)]).await.map(drop)
    }

    /// The place this request comes from, for an account that has shown that it is at home there.
    pub fn familiar(&self, ctx: &Ctx, account: &str) -> Familiar {
        Familiar(self.settings.map(|_| familiar(ctx, account)))
    }

    /// Counts an attempt, or refuses it without a write.
    async fn ask_and_count(&self, ctx: &Ctx, brakes: Vec<(String, Patience)>) -> Result<Vec<Counted>, Error> {
        for (key, _) in &brakes {
            self.recall(&[key], ctx.now())?;
        }
        let rows = read(ctx.db.read(), brakes.iter().map(|(key, _)| key.clone())).await?;
        refused(self.latest(&rows, &brakes, ctx.now()), ctx.now())?;
        self.count(ctx, brakes, None).await
    }

    /// What is remembered of a key that was refused within the last second.
    fn remembered(&self, key: &str, now: Micros) -> Option<Refusal> {
        let is_fresh = |refusal: &Refusal| refusal.at <= now && refusal.at.plus(REFUSED_FOR) > now;
        self.refused.get(key).filter(|refusal| is_fresh(refusal) && refusal.until > now)
    }

    /// Remembers a refusal until then, if it is one. Says until when.
    fn noted(&self, key: &str, until: Micros, now: Micros) -> Micros {
        if until > now && self.remembered(key, now).is_none() {
            let looks = Arc::new(AtomicU32::new(LOOKS));
            self.refused.insert(key.to_owned(), Refusal { at: now, until, looks });
        }
        until
    }

    /// Refuses again what was just refused.
    fn recall(&self, keys: &[&str], now: Micros) -> Result<(), Error> {
        let until = keys.iter().filter_map(|key| self.remembered(key, now)).map(|refusal| refusal.until).max();
        refused(until.unwrap_or(now), now)
    }

    /// The same, but lets a few through to be looked up. Nobody knows whether the others wait longer than for that.
    fn recall_all_but_some(&self, key: &str, now: Micros) -> Result<(), Error> {
        let Some(refusal) = self.remembered(key, now) else { return Ok(()) };
        match refusal.looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => refused(refusal.until.min(refusal.at.plus(REFUSED_FOR)), now),
        }
    }

    /// Until when these wait.
    fn latest(&self, rows: &[Row], brakes: &[(String, Patience)], now: Micros) -> Micros {
        let patient = |row: &Row| brakes.iter().find(|(key, _)| *key == row.key).map(|(_, patience)| *patience);
        let waits = rows.iter().filter_map(|row| Some((row, row.waits_until(patient(row)?, now))));
        waits.map(|(row, until)| self.noted(&row.key, until, now)).max().unwrap_or(now)
    }

    /// The turn of a network that was refused: after the wait everybody has after so many failures. The one it has, if any.
    async fn give_turn(&self, ctx: &Ctx, key: &str, patience: Patience, failures: i64) -> Result<Row, Error> {
        let now = ctx.now();
        let begins = now.plus(patience.after(failures));
        let (lost, latest) = (now.minus(FORGOTTEN_AFTER), now.plus(patience.longest));
        // It has a failure, so that it is forgotten like one.
        let sql = "INSERT INTO brake (key, failures, until, last_at) VALUES ($1, 1, $2, $3)
                   ON CONFLICT (key) DO UPDATE SET
                   until = CASE WHEN brake.last_at > $4 AND brake.until <= $5 THEN brake.until ELSE excluded.until END,
                   last_at = CASE WHEN brake.last_at > $4 AND brake.until <= $5 THEN brake.last_at ELSE excluded.last_at END
                   RETURNING key, failures, until, last_at";
        let binds = [key.into(), begins.into(), now.into(), lost.into(), latest.into()];
        let binds = &binds;
        let given = |tx| async move { db::one::<Row, _>(&tx, sql, binds.clone()).await };
        let given = ctx.db.write::<_, DbError, _, _>(Lane::Interactive, given).await?;
        Ok(given.unwrap_or_else(|| Row { key: key.to_owned(), failures: 1, until: begins, last_at: now }))
    }

    /// Counts an attempt under all of these keys, or refuses it under any but the one a turn leads past.
    async fn count(
        &self,
        ctx: &Ctx,
        mut brakes: Vec<(String, Patience)>,
        turn: Option<&Turn>,
    ) -> Result<Vec<Counted>, Error> {
        brakes.sort_by(|a, b| a.0.cmp(&b.0)); // rows are locked in this order
        let keys: Vec<Key> = brakes.iter().map(|(key, _)| Key { key: key.clone() }).collect();
        let now = ctx.now();
        let (keys, brakes) = (&keys, &brakes);
        ctx.db
            .write(Lane::Interactive, |tx| async move {
                // Makes the rows that are missing, and locks all: whoever attempts beside this one comes after it.
                let sql = "INSERT INTO brake (key, failures, until, last_at) SELECT r.key, 0, 0, $2 FROM {records}
                           WHERE true ON CONFLICT (key) DO UPDATE SET failures = brake.failures
                           RETURNING key, failures, until, last_at";
                let rows: Vec<Row> = db::select_by(&tx, sql, keys, [now.into()]).await?;
                let mut asked = brakes.clone();
                if let Some(turn) = turn
                    && turn.take(&tx).await?
                {
                    asked.retain(|(key, _)| *key != turn.past);
                }
                refused(self.latest(&rows, &asked, now), now)?;
                let counted: Vec<Counted> = rows.iter().map(|row| row.counted(now)).collect();
                let sql =
                    "UPDATE brake SET failures = r.failures, last_at = r.at FROM {records} WHERE brake.key = r.key";
                db::update_by(&tx, sql, &counted, []).await?;
                Ok::<_, Error>(counted)
            })
            .await
    }
}

impl Row {
    /// Until when to wait.
    fn waits_until(&self, patience: Patience, now: Micros) -> Micros {
        let is_of_another_clock = self.last_at > now.plus(patience.longest);
        if self.is_stale(now) || is_of_another_clock { now } else { self.last_at.plus(patience.after(self.failures)) }
    }

    /// Whether this turn still is one; no wait is longer than the longest.
    fn is_turn(&self, patience: Patience, now: Micros) -> bool {
        !self.is_stale(now) && self.until <= now.plus(patience.longest)
    }

    fn is_stale(&self, now: Micros) -> bool {
        self.last_at <= now.minus(FORGOTTEN_AFTER)
    }

    /// One failure more.
    fn counted(&self, now: Micros) -> Counted {
        let failures = if self.is_stale(now) { 1 } else { self.failures.saturating_add(1) };
        Counted { key: self.key.clone(), failures, at: now, last_at: self.last_at }
    }
}

impl Patience {
    /// How long to wait after so many failures.
    fn after(&self, failures: i64) -> Duration {
        match u32::try_from(failures - self.free) {
            Ok(beyond) if failures > 0 => {
                Duration::from_secs(1_u64.checked_shl(beyond).unwrap_or(u64::MAX)).min(self.longest)
            }
            _ => Duration::ZERO,
        }
    }
}

impl Turn {
    /// Uses it up; false if somebody of the same network did.
    async fn take(&self, tx: &Tx) -> Result<bool, DbError> {
        let sql = "DELETE FROM brake WHERE key = $1 AND until = $2 AND last_at = $3";
        Ok(db::run(tx, sql, [self.row.key.clone().into(), self.row.until.into(), self.row.last_at.into()]).await? == 1)
    }
}

impl Attempt {
    /// It was right: takes it back, in the transaction of what it led to. Only the account at this place starts anew:
    /// whoever guesses others' passwords cannot wash themselves clean with their own.
    pub async fn succeeded(&self, tx: &Tx, now: Micros) -> Result<(), DbError> {
        self.take_back(tx, self.here.as_deref()).await?;
        self.familiar.remember(tx, now).await
    }

    /// The account is at home here now, whether or not the attempt stays counted.
    pub async fn at_home(&self, tx: &Tx, now: Micros) -> Result<(), DbError> {
        self.familiar.remember(tx, now).await
    }

    /// What became of it. Only what was judged to be wrong stays counted: not what found no room or no database.
    pub async fn closed<T>(self, ctx: &Ctx, outcome: Result<T, Error>) -> Result<T, Error> {
        let is_judged = matches!(outcome, Ok(_) | Err(Error::BadCredentials | Error::EmailTaken));
        if !is_judged && !self.counted.is_empty() {
            let attempt = &self;
            let undo = |tx| async move { attempt.undo(&tx).await };
            if let Err(error) = ctx.db.write::<_, DbError, _, _>(Lane::Interactive, undo).await {
                tracing::warn!(%error, "an attempt that nobody judged stays counted");
            }
        }
        outcome
    }

    async fn undo(&self, tx: &Tx) -> Result<(), DbError> {
        self.take_back(tx, None).await?;
        match &self.turn {
            Some(Turn { row, .. }) => {
                let row = Kept { key: row.key.clone(), failures: 1, until: row.until, last_at: row.last_at };
                db::insert(tx, "brake", &[row], "ON CONFLICT (key) DO NOTHING").await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// One failure less, none under the key that is released. The time of the last one is again what it was, unless there
    /// was one since.
    async fn take_back(&self, tx: &Tx, released: Option<&str>) -> Result<(), DbError> {
        let sql = "UPDATE brake SET
                   failures = CASE WHEN brake.key = $2 OR brake.failures < 1 THEN 0 ELSE brake.failures - 1 END,
                   last_at = CASE WHEN brake.last_at = r.at THEN r.last_at ELSE brake.last_at END
                   FROM {records} WHERE brake.key = r.key";
        db::update_by(tx, sql, &self.counted, [released.map(str::to_owned).into()]).await.map(drop)
    }
}

impl Familiar {
    /// Remembers it from now on, to the day.
    pub async fn remember(&self, tx: &Tx, now: Micros) -> Result<(), DbError> {
        let Some(key) = &self.0 else { return Ok(()) };
        let sql = "INSERT INTO brake (key, failures, until, last_at) VALUES ($1, 0, 0, $2)
                   ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at WHERE brake.last_at <= $3";
        db::run(tx, sql, [key.clone().into(), now.into(), now.minus(FAMILIAR_EVERY).into()]).await.map(drop)
    }
}

/// Deletes what is forgotten: failures after their time, familiar places after theirs.
pub async fn forget(db: &Db, now: Micros) -> Result<u64, DbError> {
    let sql = "DELETE FROM brake WHERE last_at < $1 AND (failures > 0 OR last_at < $2)";
    let binds = [now.minus(FORGOTTEN_AFTER).into(), now.minus(FAMILIAR_FOR).into()];
    db.write(Lane::Worker, |tx| {
        let binds = binds.clone();
        async move { db::run(&tx, sql, binds).await }
    })
    .await
}

async fn read(c: &impl sea_orm::ConnectionTrait, keys: impl Iterator<Item = String>) -> Result<Vec<Row>, DbError> {
    let sql = "SELECT b.key, b.failures, b.until, b.last_at FROM {records} JOIN brake b ON b.key = r.key";
    db::select_by(c, sql, &keys.map(|key| Key { key }).collect::<Vec<_>>(), []).await
}

/// Refused while this time is to come.
fn refused(until: Micros, now: Micros) -> Result<(), Error> {
    match until > now {
        true => Err(Error::Braked(Duration::from_micros((until.0 - now.0).unsigned_abs()))),
        false => Ok(()),
    }
}

fn familiar(ctx: &Ctx, account: &str) -> String {
    hashed("familiar", &[account, &place(ctx)])
}

fn place(ctx: &Ctx) -> String {
    named(ctx.peer.map(Peer::place))
}

/// What has one turn: an IPv4 address, or 48 bits of IPv6.
fn network(ctx: &Ctx) -> String {
    named(ctx.peer.map(|peer| match peer.place() {
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        v4 => v4,
    }))
}

fn named(place: Option<IpAddr>) -> String {
    place.map_or_else(|| "inside".to_owned(), |place| place.to_string())
}

/// A key that does not tell what it is about.
fn hashed(brake: &str, parts: &[&str]) -> String {
    let digest = parts.iter().fold(Sha256::new().chain_update(brake), |digest, part| {
        digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
    });
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
