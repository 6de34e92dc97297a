//! Rate limits of viewers: a bucket of points per user or address that refills steadily. Each operation pays its cost
//! before it runs.
//! Not here: the cost of an operation (`cost`), and sign-in throttling (`account`).
//!
//! Buckets belong to one process: a viewer who reaches three processes has three buckets. That bounds the load on each
//! process, which is the purpose of the buckets, and costs no round trip.

use std::hash::Hash;
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
    /// Points a user's full bucket holds; 10,000.
    pub points: NonZeroU32,
    /// Points that come back each second; 1,000.
    pub per_second: NonZeroU32,
    /// Factor by which the bucket of an address is larger than a user's, since many viewers without an account may
    /// share an address; 5.
    pub address_factor: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        let of = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { points: of(10_000), per_second: of(1_000), address_factor: of(5) }
    }
}

impl Settings {
    /// Returns settings of a bucket `factor` times as large, which refills as much faster.
    pub fn times(self, factor: NonZeroU32) -> Self {
        let times = |n: NonZeroU32| n.saturating_mul(factor);
        Self { points: times(self.points), per_second: times(self.per_second), ..self }
    }
}

/// Balance of a bucket after a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Points the operation cost.
    pub cost: u32,
    /// Points left in the bucket.
    pub remaining: u32,
    limit: u32,
    per_second: u32,
}

impl Balance {
    /// Returns the value of `extensions.cost`.
    pub fn extension(self) -> Value {
        let entry = |name: &str, n: u32| (Name::new(name), Value::from(n));
        Value::Object(
            [
                entry("requested", self.cost),
                entry("remaining", self.remaining),
                entry("limit", self.limit),
                entry("restorePerSecond", self.per_second),
            ]
            .into_iter()
            .collect(),
        )
    }
}

/// Buckets of one size by key.
struct Buckets<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, Ticks, StateInformationMiddleware>,
    ticks: Ticks,
    settings: Settings,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(settings: Settings, ticks: &Ticks) -> Self {
        let quota = Quota::per_second(settings.per_second).allow_burst(settings.points);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), ticks.clone());
        Self { limiter, ticks: ticks.clone(), settings }
    }

    fn charge(&self, payer: &K, cost: u64) -> Result<Balance, (Duration, Balance)> {
        let Settings { points, per_second, .. } = self.settings;
        let cost = u32::try_from(cost).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN).min(points);
        let balance =
            |remaining| Balance { cost: cost.get(), remaining, limit: points.get(), per_second: per_second.get() };
        match self.limiter.check_key_n(payer, cost) {
            Ok(Ok(state)) => Ok(balance(state.remaining_burst_capacity())),
            Ok(Err(not_yet)) => {
                let wait = not_yet.wait_time_from(self.ticks.now());
                // The points that return during the wait are the points missing now.
                let missing = (wait.as_secs_f64() * f64::from(per_second.get())).ceil() as u32;
                Err((wait, balance(cost.get().saturating_sub(missing))))
            }
            Err(_) => Err((Duration::MAX, balance(0))), // more than a bucket holds, which `min` above rules out
        }
    }

    fn forget(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// Buckets of all viewers; cheap to clone.
#[derive(Clone)]
pub struct Budgets(Arc<Inner>);

struct Inner {
    users: Buckets<UserId>,
    /// Buckets of requests without an account, by address. The key is `None` for a request that came through no
    /// listener.
    addresses: Buckets<Option<IpAddr>>,
    /// Buckets of requests without an account, by IPv6 network, so that its many addresses do not multiply its points.
    networks: Buckets<IpAddr>,
}

impl Budgets {
    /// Budgets with full buckets.
    pub fn new(settings: Settings, clock: &Clock) -> Self {
        let ticks = Ticks::of(clock);
        let of_address = settings.times(settings.address_factor);
        Self(Arc::new(Inner {
            users: Buckets::new(settings, &ticks),
            addresses: Buckets::new(of_address, &ticks),
            networks: Buckets::new(of_address.times(Peer::ADDRESSES_PER_NETWORK), &ticks),
        }))
    }

    /// Takes `cost` out of a viewer's bucket. When it holds too little, the error is the time to wait and the balance.
    pub fn charge(&self, actor: &Actor, peer: Option<Peer>, cost: u64) -> Result<Balance, (Duration, Balance)> {
        if let Some(user) = actor.user_id() {
            return self.0.users.charge(&user, cost);
        }
        let balance = self.0.addresses.charge(&peer.map(Peer::place), cost)?;
        // The network pays after the address: an address with an empty bucket must not empty its network's bucket.
        if let Some(network) = peer.and_then(Peer::network) {
            self.0.networks.charge(&network, cost)?;
        }
        Ok(balance)
    }

    /// Drops buckets that are full again.
    pub fn forget(&self) {
        self.0.users.forget();
        self.0.addresses.forget();
        self.0.networks.forget();
    }
}
