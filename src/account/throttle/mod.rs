//! Throttling of sign-ins, sign-ups and token guesses with exponential backoff, shared by all processes through the
//! database.
//! Not here: the budget of a viewer's other requests (`engine::budget`).
//!
//! A password attempt counts under three counters: the account from this client network, the network with all accounts,
//! and the account with all networks. A counter below its limit never refuses, however many attempts run at the same
//! moment and however far the clocks of two processes differ. Above its limit, each failure doubles the wait.
//!
//! A stranger cannot lock an account out (OWASP ASVS 5.0, 6.3). A network where the account was opened, signed in or
//! renewed within 90 days is *known*. From a known network, only wrong passwords for this account from this network
//! count, and the wait is at most 5 seconds; failures elsewhere and failures of other accounts there are not
//! considered. Two clients who try one account from one network cannot be told apart. If an account is being guessed
//! from many networks, a new device of its user competes with the guessers for one attempt every 30 seconds; from a
//! known network it gets in at once.
//!
//! A client network is an IPv4 address or an IPv6 /64. An IPv6 /48, which one customer gets for free, has a counter of
//! its own that allows as much as twenty networks.
//!
//! An attempt counts as failed when it begins. It is taken back if it succeeds or gets no verdict, so that attempts
//! that run side by side count each other. Counters are checked before a password is hashed; a refused attempt costs
//! one read and does not count. An in-memory limit in front of them bounds the reads that a flood from one network
//! costs the database (`benches/under_attack.rs`).

mod attempt;
mod counter;
mod network;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use self::counter::Counter;
use super::Error;
use crate::clock::{Clock, Ticks};
use crate::ctx::Ctx;

pub use self::attempt::Attempt;
pub use self::counter::{Backoff, FORGOTTEN_AFTER};
pub use self::network::{KNOWN_FOR, KnownNetwork};

/// Limits and waits of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// One account from one network. Default: 5 failures, up to 15 minutes.
    pub account_network: Backoff,
    /// One account from a network known to it. Default: 5 failures, up to 5 seconds, because its user is there.
    pub known_network: Backoff,
    /// All accounts from one network that is new to them. Default: 50 failures, up to a minute; generous, because many
    /// users share an address.
    pub network: Backoff,
    /// One account from all networks that are new to it. Default: 100 failures, up to 30 seconds.
    pub account: Backoff,
    /// New accounts from one network, and sign-ups with a taken address. Default: 20, up to a minute.
    pub sign_up: Backoff,
    /// Refresh tokens that never existed, from one network. Default: 20, up to a minute.
    pub refresh: Backoff,
}

impl Default for Settings {
    fn default() -> Self {
        let of = |free, seconds| Backoff { free, longest: Duration::from_secs(seconds) };
        Self {
            account_network: of(5, 900),
            known_network: of(5, 5),
            network: of(50, 60),
            account: of(100, 30),
            sign_up: of(20, 60),
            refresh: of(20, 60),
        }
    }
}

/// Number of networks that an IPv6 /48 (65,536 networks) counts as: it may fail as often as they may, and gets as many
/// attempts afterwards. Enough for the users of one site, and far fewer than the hashes a machine can make.
const NETWORKS_OF_A_SITE: u32 = 20;

/// Smallest burst of attempts of one network that reaches the database; [`ATTEMPTS_PER_SECOND`] follow.
const BURST_MIN: i64 = 100;
const ATTEMPTS_PER_SECOND: u32 = 50;

type Limiter = RateLimiter<String, DashMapStateStore<String>, Ticks, NoOpMiddleware<Nanos>>;

/// The login throttle; cheap to clone.
#[derive(Clone)]
pub struct Throttle {
    /// Limits of the counters. None: attempts are not counted.
    settings: Option<Settings>,
    flood: Arc<Limiter>,
    ticks: Ticks,
}

impl Throttle {
    /// Creates a throttle with these settings. None: attempts are not counted.
    pub fn new(settings: Option<Settings>, clock: &Clock) -> Self {
        // Twice the largest limit, so that no attempt below a limit is refused.
        let limits = settings.map(|s| [s.account_network, s.known_network, s.network, s.account, s.sign_up, s.refresh]);
        let largest = limits.iter().flatten().map(|limit| limit.free.saturating_mul(2)).fold(BURST_MIN, i64::max);
        let of = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let burst = of(u32::try_from(largest).unwrap_or(u32::MAX));
        let quota = Quota::per_second(of(ATTEMPTS_PER_SECOND)).allow_burst(burst);
        let ticks = Ticks::of(clock);
        let flood = Arc::new(Limiter::new(quota, DashMapStateStore::default(), ticks.clone()));
        Self { settings, flood, ticks }
    }

    /// Admits or refuses an attempt at an account's password. Its outcome goes through [`Attempt::closed`].
    pub async fn password(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let Some(settings) = self.settings else { return Ok(Attempt::default()) };
        self.refuse_flood(ctx)?;
        let known_network = KnownNetwork::of(ctx, account);
        let here = |backoff| Counter::new("account and network", &[account, &network::network(ctx)], backoff);
        let (released, counters) = match known_network.is_known(ctx).await? {
            true => (here(settings.known_network), vec![here(settings.known_network)]),
            false => {
                let mut counters = by_network(ctx, "network", settings.network);
                counters.push(Counter::new("account", &[account], settings.account));
                counters.push(here(settings.account_network));
                (here(settings.account_network), counters)
            }
        };
        let counted = admitted(counter::count(ctx, counters).await)?;
        Ok(Attempt { counted, released: Some(released.key), known_network })
    }

    /// Admits or refuses a sign-up. It stays counted when the account is created, and also when its address is already
    /// taken, because that answer tells that the account exists.
    pub async fn sign_up(&self, ctx: &Ctx, account: &str) -> Result<Attempt, Error> {
        let Some(settings) = self.settings else { return Ok(Attempt::default()) };
        self.refuse_flood(ctx)?;
        let counted = admitted(counter::count(ctx, by_network(ctx, "sign-up", settings.sign_up)).await)?;
        Ok(Attempt { counted, known_network: self.known_network(ctx, account), ..Attempt::default() })
    }

    /// Counts a refresh token that never existed. One that did exist is not counted: 256 bits cannot be guessed, and
    /// other clients must never throttle the holder of a valid token.
    pub async fn unknown_refresh_token(&self, ctx: &Ctx) -> Result<(), Error> {
        let Some(settings) = self.settings else { return Ok(()) };
        self.refuse_flood(ctx)?;
        admitted(counter::count(ctx, by_network(ctx, "refresh token", settings.refresh)).await).map(drop)
    }

    /// Returns the network of this request, to be recorded for an account that has proved itself.
    pub fn known_network(&self, ctx: &Ctx, account: &str) -> KnownNetwork {
        self.settings.map(|_| KnownNetwork::of(ctx, account)).unwrap_or_default()
    }

    /// Evicts networks without a recent attempt from memory.
    pub fn purge_memory(&self) {
        self.flood.retain_recent();
        self.flood.shrink_to_fit();
    }

    fn refuse_flood(&self, ctx: &Ctx) -> Result<(), Error> {
        let wait = |not_yet: governor::NotUntil<Nanos>| not_yet.wait_time_from(self.ticks.now());
        let checked = self.flood.check_key(&network::network(ctx)).map_err(wait);
        admitted(checked.map_err(|wait| Error::Throttled { wait, counter: "flood" }))
    }
}

/// Logs an attempt that was refused.
fn admitted<T>(outcome: Result<T, Error>) -> Result<T, Error> {
    if let Err(Error::Throttled { wait, counter }) = &outcome {
        tracing::warn!(counter, wait_ms = wait.as_millis() as u64, "attempt throttled");
    }
    outcome
}

/// Returns the counters of this name for the client's network and, on IPv6, for its site.
fn by_network(ctx: &Ctx, name: &'static str, backoff: Backoff) -> Vec<Counter> {
    let mut counters = vec![Counter::new(name, &[&network::network(ctx)], backoff)];
    if let Some(site) = network::site(ctx) {
        let free = backoff.free.saturating_mul(NETWORKS_OF_A_SITE.into());
        let longest = backoff.longest / NETWORKS_OF_A_SITE;
        counters.push(Counter::new(name, &["site", &site], Backoff { free, longest }));
    }
    counters
}
