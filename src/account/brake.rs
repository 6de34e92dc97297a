//! Brakes on guessing: whoever is wrong waits, longer each time. Rows, so that all processes share them; counted per
//! attempt, so that an alias or a batch is no way around; asked before any password is hashed.
//! Not here: what a viewer may ask otherwise (`graphql::budget`).
//!
//! Nobody can lock somebody else out. What waits is a *place* (an address, or one IPv6 network) with one account, a place
//! with all accounts (one password tried on many), and last an account from all places together, for those who guess from
//! many. That last brake is short and leaves out every place the account was signed in from before, so that a stranger who
//! guesses an account's password slows down strangers. (OWASP ASVS 5.0, 6.3: documented, and no malicious lock-out.)
//!
//! An attempt counts as wrong when it begins and is taken back when it turns out right: attempts that run side by side
//! count each other. What is refused here does not count, and is remembered for a second: a flood from one place costs
//! no question to the database (`benches/under_attack.rs`).

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
    /// All accounts from one place; 50, up to a minute. Generous, because many people share an address.
    pub place: Patience,
    /// One account from all places it was never signed in from; 100, up to 30 seconds.
    pub account: Patience,
    /// New accounts from one place; 20, up to a minute.
    pub sign_up: Patience,
    /// Refresh tokens that are none, from one place; 20, up to a minute.
    pub refresh: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        let of = |free, seconds| Patience { free, longest: Duration::from_secs(seconds) };
        Self {
            account_here: of(5, 900),
            place: of(50, 60),
            account: of(100, 30),
            sign_up: of(20, 60),
            refresh: of(20, 60),
        }
    }
}

/// After so long without a failure a brake is released.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// How long a place counts as one the account is signed in from.
const FAMILIAR_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How long a refusal is remembered without asking again. Somebody who was right meanwhile releases their brake; they
/// would not notice a second.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// How many refusals are remembered at once.
const REFUSALS: u64 = 10_000;

/// The brakes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Brake {
    /// None: attempts are not counted.
    settings: Option<Settings>,
    /// What was just refused, by key.
    refused: Cache<String, Refusal>,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    /// When it was.
    at: Micros,
    /// Until when one has to wait.
    until: Micros,
}

/// One attempt that was let through.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Attempt {
    /// To be taken back when it turns out right.
    counted: Vec<Key>,
    /// To be released altogether then: the account at this place.
    here: Option<String>,
    /// To be remembered then.
    familiar: Option<String>,
}

record! {
    struct Key {
        key: String,
    }
}

record! {
    struct Count {
        key: String,
        failures: i64,
        until: i64,
        last_at: i64,
    }
}

#[derive(FromQueryResult)]
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

    /// An attempt at an account's password.
    pub async fn password(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let Some(settings) = self.settings else { return Ok(Attempt::default()) };
        let place = place(ctx);
        let here = hashed("account here", &[account, &place]);
        let familiar = hashed("familiar", &[account, &place]);
        let strangers = hashed("account", &[account]);
        let mut brakes = vec![(here.clone(), settings.account_here), (hashed("place", &[&place]), settings.place)];
        self.recall(&brakes, ctx.now())?;
        let asked = brakes.iter().map(|(key, _)| key).chain([&familiar, &strangers]).cloned();
        let mut rows = read(ctx.db.read(), asked).await?;
        let since = ctx.now().minus(FAMILIAR_FOR);
        if rows.iter().any(|row| row.key == familiar && row.last_at > since) {
            rows.retain(|row| row.key != strangers);
        } else {
            brakes.push((strangers, settings.account));
        }
        self.refuse(&rows, ctx.now())?;
        let counted = self.count(ctx, brakes).await?;
        Ok(Attempt { counted, here: Some(here), familiar: Some(familiar) })
    }

    /// A new account.
    pub async fn sign_up(&self, ctx: &Ctx) -> Result<(), Error> {
        let Some(settings) = self.settings else { return Ok(()) };
        let brakes = vec![(hashed("sign up", &[&place(ctx)]), settings.sign_up)];
        self.ask(ctx, &brakes).await?;
        self.count(ctx, brakes).await.map(drop)
    }

    /// Whether a refresh token may be shown from here now.
    pub async fn may_refresh(&self, ctx: &Ctx) -> Result<(), Error> {
        let Some(settings) = self.settings else { return Ok(()) };
        self.ask(ctx, &[(hashed("refresh", &[&place(ctx)]), settings.refresh)]).await
    }

    /// A refresh token that was refused. Asked before: [`Self::may_refresh`].
    pub async fn refused_refresh(&self, ctx: &Ctx) -> Result<(), Error> {
        let Some(settings) = self.settings else { return Ok(()) };
        self.count(ctx, vec![(hashed("refresh", &[&place(ctx)]), settings.refresh)]).await.map(drop)
    }

    /// Refuses an attempt under any key that waits, without a write.
    async fn ask(&self, ctx: &Ctx, brakes: &[(String, Patience)]) -> Result<(), Error> {
        self.recall(brakes, ctx.now())?;
        let rows = read(ctx.db.read(), brakes.iter().map(|(key, _)| key.clone())).await?;
        self.refuse(&rows, ctx.now())
    }

    /// Refuses again what was just refused.
    fn recall(&self, brakes: &[(String, Patience)], now: Micros) -> Result<(), Error> {
        let refusals = brakes.iter().filter_map(|(key, _)| self.refused.get(key));
        waits(refusals.filter(|refusal| refusal.at.plus(REFUSED_FOR) > now).map(|refusal| refusal.until), now)
    }

    /// Refuses while any of these waits.
    fn refuse(&self, rows: &[Row], now: Micros) -> Result<(), Error> {
        for row in rows.iter().filter(|row| row.until > now) {
            self.refused.insert(row.key.clone(), Refusal { at: now, until: row.until });
        }
        waits(rows.iter().map(|row| row.until), now)
    }

    /// Counts an attempt under all of these keys, or refuses it under any.
    async fn count(&self, ctx: &Ctx, mut brakes: Vec<(String, Patience)>) -> Result<Vec<Key>, Error> {
        brakes.sort_by(|a, b| a.0.cmp(&b.0)); // rows are locked in this order
        let keys: Vec<Key> = brakes.iter().map(|(key, _)| Key { key: key.clone() }).collect();
        let now = ctx.now();
        let (keys_ref, brakes) = (&keys, &brakes);
        ctx.db
            .write(Lane::Interactive, |tx| async move {
                // Makes the rows that are missing, and locks all: whoever attempts beside this one comes after it.
                let sql = "INSERT INTO brake (key, failures, until, last_at) SELECT r.key, 0, 0, $2 FROM {records}
                           WHERE true ON CONFLICT (key) DO UPDATE SET failures = brake.failures
                           RETURNING key, failures, until, last_at";
                let rows: Vec<Row> = db::select_by(&tx, sql, keys_ref, [now.into()]).await?;
                self.refuse(&rows, now)?;
                let counts: Vec<Count> = rows.iter().map(|row| row.counted(brakes, now)).collect();
                let sql = "UPDATE brake SET failures = r.failures, until = r.until, last_at = r.last_at FROM {records}
                           WHERE brake.key = r.key";
                db::update_by(&tx, sql, &counts, []).await?;
                Ok::<_, Error>(())
            })
            .await?;
        Ok(keys)
    }
}

impl Row {
    /// The row after one failure more.
    fn counted(&self, brakes: &[(String, Patience)], now: Micros) -> Count {
        let stale = self.last_at <= now.minus(FORGOTTEN_AFTER);
        let failures = if stale { 1 } else { self.failures.saturating_add(1) };
        let patience = brakes.iter().find(|(key, _)| *key == self.key).map(|(_, patience)| patience);
        let wait = patience.map_or(Duration::ZERO, |patience| patience.after(failures));
        Count { key: self.key.clone(), failures, until: now.plus(wait).0, last_at: now.0 }
    }
}

impl Patience {
    /// How long to wait after so many failures.
    fn after(&self, failures: i64) -> Duration {
        match u32::try_from(failures - self.free) {
            Ok(beyond) => Duration::from_secs(1_u64.checked_shl(beyond).unwrap_or(u64::MAX)).min(self.longest),
            Err(_) => Duration::ZERO,
        }
    }
}

impl Attempt {
    /// It was right: takes it back, in the transaction of what it led to. Only the account at this place starts anew:
    /// whoever guesses others' passwords cannot wash themselves clean with their own.
    pub async fn succeeded(&self, tx: &Tx, now: Micros) -> Result<(), DbError> {
        let sql = "UPDATE brake SET failures = CASE WHEN failures > 0 AND brake.key <> $2 THEN failures - 1 ELSE 0 END,
                   until = CASE WHEN brake.key = $2 THEN 0 ELSE until END FROM {records} WHERE brake.key = r.key";
        db::update_by(tx, sql, &self.counted, [self.here.clone().into()]).await?;
        if let Some(familiar) = &self.familiar {
            let row = Count { key: familiar.clone(), failures: 0, until: 0, last_at: now.0 };
            db::insert(tx, "brake", &[row], "ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at").await?;
        }
        Ok(())
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

/// Refused while any of these times is to come.
fn waits(until: impl Iterator<Item = Micros>, now: Micros) -> Result<(), Error> {
    match until.max() {
        Some(until) if until > now => Err(Error::Braked(Duration::from_micros((until.0 - now.0).unsigned_abs()))),
        _ => Ok(()),
    }
}

fn place(ctx: &Ctx) -> String {
    ctx.peer.map_or_else(|| "inside".to_owned(), |peer: Peer| peer.place().to_string())
}

/// A key that does not tell what it is about.
fn hashed(brake: &str, parts: &[&str]) -> String {
    let digest = parts.iter().fold(Sha256::new().chain_update(brake), |digest, part| {
        digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
    });
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
