//! What each viewer may still ask: a bucket of points that refills steadily. Each operation pays its cost before it runs.
//! Not here: what an operation costs (`cost`), and attempts at passwords (`account`).
//!
//! Buckets belong to one process: a viewer who reaches three of them has three. That bounds the load each of them takes,
//! which is what buckets are for, and costs no round trip.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Name, Value};
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::access::{Actor, Peer};
use crate::clock::{Clock, Ticks};
use crate::id::UserId;

/// The size of a bucket and how fast it refills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Points a full bucket holds; 1,000.
    pub points: NonZeroU32,
    /// Points that come back each second; 50.
    pub per_second: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        let of = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { points: of(1_000), per_second: of(50) }
    }
}

/// Whose bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Payer {
    User(UserId),
    Place(IpAddr),
    /// Nobody signed in, from nowhere: requests that come through no listener.
    Unknown,
}

/// How a bucket stands after a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Points the operation cost.
    pub cost: u32,
    /// Points left.
    pub remaining: u32,
    settings: Settings,
}

impl Balance {
    /// `extensions.cost`.
    pub fn extension(self) -> Value {
        let entry = |name: &str, n: u32| (Name::new(name), Value::from(n));
        Value::Object(
            [
                entry("requested", self.cost),
                entry("remaining", self.remaining),
                entry("limit", self.settings.points.get()),
                entry("restorePerSecond", self.settings.per_second.get()),
            ]
            .into_iter()
            .collect(),
        )
    }
}

type Limiter = RateLimiter<Payer, DashMapStateStore<Payer>, Ticks, StateInformationMiddleware>;

/// Everybody's buckets; cheap to clone.
#[derive(Clone)]
pub struct Budgets {
    limiter: Arc<Limiter>,
    ticks: Ticks,
    settings: Settings,
}

impl Budgets {
    /// Full buckets.
    pub fn new(settings: Settings, clock: &Clock) -> Self {
        let quota = Quota::per_second(settings.per_second).allow_burst(settings.points);
        let ticks = Ticks::of(clock);
        let limiter = Limiter::new(quota, DashMapStateStore::default(), ticks.clone());
        Self { limiter: Arc::new(limiter), ticks, settings }
    }

    /// Takes `cost` out of a bucket; when there is too little in it, how long to wait and what there is.
    pub fn charge(&self, actor: &Actor, peer: Option<Peer>, cost: u64) -> Result<Balance, (Duration, Balance)> {
        let payer = match (actor.user_id(), peer) {
            (Some(user), _) => Payer::User(user),
            (None, Some(peer)) => Payer::Place(peer.place()),
            (None, None) => Payer::Unknown,
        };
        let most = self.settings.points;
        let cost = u32::try_from(cost).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN).min(most);
        let balance = |remaining| Balance { cost: cost.get(), remaining, settings: self.settings };
        match self.limiter.check_key_n(&payer, cost) {
            Ok(Ok(state)) => Ok(balance(state.remaining_burst_capacity())),
            Ok(Err(not_yet)) => {
                let wait = not_yet.wait_time_from(self.ticks.now());
                // What comes back until then is what is missing now.
                let missing = (wait.as_secs_f64() * f64::from(self.settings.per_second.get())).ceil() as u32;
                Err((wait, balance(cost.get().saturating_sub(missing))))
            }
            Err(_) => Err((Duration::MAX, balance(0))), // more than a bucket holds, which `min` above rules out
        }
    }

    /// Forgets buckets that are full again.
    pub fn forget(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}
