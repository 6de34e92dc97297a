//! What each viewer may still ask: a bucket of points that refills steadily. Each operation pays its cost before it runs.
//! Not here: what an operation costs (`cost`), and attempts at passwords (`account`).
//!
//! Buckets belong to one process: a viewer who reaches three of them has three. That bounds the load each of them takes,
//! which is what buckets are for, and costs no round trip.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::{Name, Value};
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::access::Actor;
use crate::clock::Clock;
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

/// Where a request comes from. A proxy's address, unless proxies are trusted to name their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// What counts as one place: an IPv4 address, or the network of 64 bits that one IPv6 customer has to choose from.
    pub fn place(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        }
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

    /// Takes `cost` out of a bucket; how long to wait when there is too little in it.
    pub fn charge(&self, actor: &Actor, peer: Option<Peer>, cost: u64) -> Result<Balance, Duration> {
        let payer = match (actor.user_id(), peer) {
            (Some(user), _) => Payer::User(user),
            (None, Some(peer)) => Payer::Place(peer.place()),
            (None, None) => Payer::Unknown,
        };
        let most = self.settings.points;
        let cost = u32::try_from(cost).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN).min(most);
        match self.limiter.check_key_n(&payer, cost) {
            Ok(Ok(state)) => {
                Ok(Balance { cost: cost.get(), remaining: state.remaining_burst_capacity(), settings: self.settings })
            }
            Ok(Err(not_yet)) => Err(not_yet.wait_time_from(self.ticks.now())),
            Err(_) => Err(Duration::MAX), // more than a bucket holds, which `min` above rules out
        }
    }

    /// Forgets buckets that are full again.
    pub fn forget(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// Time as the limiter counts it: forward only, whatever happens to the machine's clock.
#[derive(Debug, Clone)]
enum Ticks {
    Machine(Instant),
    Manual(Clock),
}

impl Ticks {
    fn of(clock: &Clock) -> Self {
        match clock {
            Clock::System => Self::Machine(Instant::now()),
            Clock::Manual(_) => Self::Manual(clock.clone()),
        }
    }
}

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let nanos = match self {
            Self::Machine(start) => u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Self::Manual(clock) => u64::try_from(clock.now().0).unwrap_or(0).saturating_mul(1_000),
        };
        Nanos::new(nanos)
    }
}
