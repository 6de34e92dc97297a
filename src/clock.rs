//! Time as a parameter: the instant type that is stored everywhere, and the clock that returns it.
//! Not here: time zones of events (`zone`), and timers of the runtime.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use governor::nanos::Nanos;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

/// Instant: microseconds since 1970-01-01T00:00:00Z. Stored as `bigint` on both databases, because a timestamp as text
/// sorts wrongly on SQLite and loses digits between the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, DeriveValueType)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns the instant later by `span`; saturates instead of overflowing.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns the instant earlier by `span`; saturates instead of overflowing.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns the whole seconds since the epoch, the unit of tokens.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Formats the instant as RFC 3339 in UTC, with fractions of a second if there are any.
    pub fn rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_micros(self.0)
            .map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            .unwrap_or_else(|| self.0.to_string())
    }

    /// Parses RFC 3339 with any offset. Only the years 1970 to 9999 are accepted, so that every stored instant can be
    /// formatted.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
        let micros = time.timestamp_micros();
        (0..253_402_300_800_000_000).contains(&micros).then_some(Self(micros))
    }
}

/// Clock of the process: the machine's clock, or a manual one in tests.
#[derive(Clone, Debug)]
pub enum Clock {
    /// Clock of the machine.
    System,
    /// Clock that stands still until it is moved.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Creates a manual clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.0)))
    }

    /// Returns the present instant.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
            Self::System => Timestamp(Utc::now().timestamp_micros()),
            Self::Manual(at) => Timestamp(at.load(Ordering::SeqCst)),
        }
    }

    /// Sets a manual clock to an instant, never back. Without effect on the machine's clock.
    pub fn set(&self, at: Timestamp) {
        if let Self::Manual(now) = self {
            now.fetch_max(at.0, Ordering::SeqCst);
        }
    }

    /// Moves a manual clock forward. Without effect on the machine's clock.
    pub fn advance(&self, span: Duration) {
        if let Self::Manual(at) = self {
            at.fetch_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// Time source of rate limiters: monotonic, whatever happens to the machine's clock.
#[derive(Debug, Clone)]
pub enum Ticks {
    /// Time since this instant.
    Machine(Instant),
    /// Time of a manual clock.
    Manual(Clock),
}

impl Ticks {
    /// Returns the ticks of a clock.
    pub fn of(clock: &Clock) -> Self {
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

/// Limiter for log lines that a flood would repeat: lets a few through, and counts the ones left out.
#[derive(Debug)]
pub struct Sparse {
    pace: DefaultDirectRateLimiter,
    left_out: AtomicU64,
}

impl Sparse {
    /// Creates a limiter that allows three lines at once, then one each `period`.
    pub fn new(period: Duration) -> Self {
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let pace = RateLimiter::direct(quota.allow_burst(NonZeroU32::MIN.saturating_add(2)));
        Self { pace, left_out: AtomicU64::new(0) }
    }

    /// Returns the number of lines left out since the last one let through, or `None` if this one has to be left out.
    pub fn let_through(&self) -> Option<u64> {
        match self.pace.check() {
            Ok(()) => Some(self.left_out.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}
