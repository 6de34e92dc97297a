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
//! * Whoever has one IPv6 network of 48 bits has 65,536 places. They share a brake that lets through what twenty places may,
//!   so that nobody keeps those who hash busy with what they get for nothing. Its newcomers share these openings, too: one
//!   every three seconds, once a thousand were wrong.
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

mod attempt;
mod familiar;
mod place;
mod refusal;
mod row;
mod turn;

use std::time::Duration;

use self::attempt::Counted;
use self::refusal::{Refusals, refused};
use self::row::{FAMILIAR_FOR, Key, Row};
use self::turn::Turn;
use super::Error;
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, Lane};

pub use self::attempt::Attempt;
pub use self::familiar::Familiar;
pub use self::row::forget;

/// How patient one brake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So many attempts are free.
    pub free: i64,
    /// Then a second, two, four … up to this.
    pub longest: Duration,
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

/// A network of IPv6 (48 bits, 65,536 places) may be wrong as often as so many places, and then gets as many openings: enough
/// for the people of one, far less than the hashes a machine can make.
const PLACES_OF_A_NETWORK: u32 = 20;

/// The brakes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Brake {
    /// None: attempts are not counted.
    settings: Option<Settings>,
    refusals: Refusals,
}

impl Brake {
    /// Brakes with these settings; none: attempts are not counted.
    pub fn new(settings: Option<Settings>) -> Self {
        Self { settings, refusals: Refusals::new() }
    }

    /// An attempt at an account's password. What becomes of it: [`Attempt::closed`].
    pub async fn password(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let Some(settings) = self.settings else { return Ok(Attempt::default()) };
        let (place, now) = (place::place(ctx), ctx.now());
        let here = row::key("account here", &[account, &place]);
        let everyone_here = by_place(ctx, "place", settings.place);
        let strangers = row::key("account", &[account]);
        let turns = turn::key(ctx, account);
        let familiar = familiar::key(ctx, account);
        self.refusals.recall(&[&here, &turns], now)?;
        // Not of its network, where many may be at home who share no address with whoever guesses.
        if let Some((place, _)) = everyone_here.first() {
            self.refusals.recall_all_but_some(place, now)?;
        }
        loop {
            let asked =
                [&here, &strangers, &turns, &familiar].into_iter().chain(everyone_here.iter().map(|(key, _)| key));
            let rows = row::read(ctx.db.read(), asked.cloned()).await?;
            let find = |key: &String| rows.iter().find(|row| row.key == *key);
            if find(&familiar).is_some_and(|row| row.last_at > now.minus(FAMILIAR_FOR)) {
                let brakes = vec![(here.clone(), settings.account_at_home)];
                refused(self.latest(&rows, &brakes, now), now)?;
                let counted = self.count(ctx, brakes, None).await?;
                return Ok(Attempt { counted, here: Some(here), familiar: Familiar::of(familiar), turn: None });
            }
            let mut brakes = everyone_here.clone();
            brakes.push((here.clone(), settings.account_here));
            let mut latest = self.latest(&rows, &brakes, now);
            let mut turn = None;
            if let Some(row) = find(&strangers).filter(|row| row.waits_until(settings.account, now) > now) {
                let given = find(&turns).filter(|turn| turn.is_turn(settings.account, now));
                let given = match given {
                    Some(given) => Turn::of(given.clone(), &strangers),
                    None => Turn::give(ctx, &turns, &strangers, settings.account, row.failures).await?,
                };
                latest = latest.max(self.refusals.noted(&turns, given.begins(), now));
                turn = Some(given);
            }
            refused(latest, now)?;
            brakes.push((strangers.clone(), settings.account));
            match self.count(ctx, brakes, turn.as_ref()).await {
                Err(Error::Braked(_)) => {} // somebody was faster; so this one is braked, or gets a turn
                counted => {
                    let familiar = Familiar::of(familiar);
                    return Ok(Attempt { counted: counted?, here: Some(here), familiar, turn });
                }
            }
        }
    }

    /// A new account. It stays counted when it is made, and when there is one with this address already: that would tell
    /// who has an account.
    pub async fn sign_up(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let Some(settings) = self.settings else { return Ok(Attempt::default()) };
        let counted = self.ask_and_count(ctx, by_place(ctx, "sign up", settings.sign_up)).await?;
        Ok(Attempt { counted, familiar: self.familiar(ctx, account), ..Attempt::default() })
    }

    /// A refresh token that never was. One that was is not asked for: nobody guesses 256 bits, and whoever has a good one
    /// is not braked by others.
    pub async fn made_up_refresh(&self, ctx: &Ctx) -> Result<(), Error> {
        let Some(settings) = self.settings else { return Ok(()) };
        self.ask_and_count(ctx, by_place(ctx, "refresh", settings.refresh)).await.map(drop)
    }

    /// The place this request comes from, for an account that has shown that it is at home there.
    pub fn familiar(&self, ctx: &Ctx, account: &str) -> Familiar {
        self.settings.map(|_| Familiar::of(familiar::key(ctx, account))).unwrap_or_default()
    }

    /// Counts an attempt, or refuses it without a write.
    async fn ask_and_count(&self, ctx: &Ctx, brakes: Vec<(String, Patience)>) -> Result<Vec<Counted>, Error> {
        for (key, _) in &brakes {
            self.refusals.recall(&[key], ctx.now())?;
        }
        let rows = row::read(ctx.db.read(), brakes.iter().map(|(key, _)| key.clone())).await?;
        refused(self.latest(&rows, &brakes, ctx.now()), ctx.now())?;
        self.count(ctx, brakes, None).await
    }

    /// Until when these wait.
    fn latest(&self, rows: &[Row], brakes: &[(String, Patience)], now: Micros) -> Micros {
        let patient = |row: &Row| brakes.iter().find(|(key, _)| *key == row.key).map(|(_, patience)| *patience);
        let waits = rows.iter().filter_map(|row| Some((row, row.waits_until(patient(row)?, now))));
        waits.map(|(row, until)| self.refusals.noted(&row.key, until, now)).max().unwrap_or(now)
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
                let counted: Vec<Counted> = rows.iter().map(|row| Counted::beyond(row, now)).collect();
                let sql =
                    "UPDATE brake SET failures = r.failures, last_at = r.at FROM {records} WHERE brake.key = r.key";
                db::update_by(&tx, sql, &counted, []).await?;
                Ok::<_, Error>(counted)
            })
            .await
    }
}

/// The brakes of this name on where a request comes from: its place, and the network that has many.
fn by_place(ctx: &Ctx, name: &str, patience: Patience) -> Vec<(String, Patience)> {
    let mut brakes = vec![(row::key(name, &[&place::place(ctx)]), patience)];
    if let Some(network) = place::of_many(ctx) {
        let free = patience.free.saturating_mul(PLACES_OF_A_NETWORK.into());
        let longest = patience.longest / PLACES_OF_A_NETWORK;
        brakes.push((row::key(&format!("{name} network"), &[&network]), Patience { free, longest }));
    }
    brakes
}
