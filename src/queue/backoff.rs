//! Waits between the attempts of a failed job: pure arithmetic.
//! Not here: clocks and queues.

use std::time::Duration;

/// Upper limit of a wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Growth of the waits between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Doubles each time: base, 2 × base, 4 × base, …
    Exponential(Duration),
    /// The same wait each time.
    Fixed(Duration),
}

impl Backoff {
    /// Returns the backoff as a job stores it: the first wait in milliseconds, and 1 if the waits double.
    pub fn stored(self) -> (i64, i64) {
        let millis = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        match self {
            Self::Exponential(base) => (millis(base), 1),
            Self::Fixed(wait) => (millis(wait), 0),
        }
    }

    /// Reads a backoff as a job stores it.
    pub fn of_stored(first_wait_ms: i64, waits_double: i64) -> Self {
        let wait = Duration::from_millis(first_wait_ms.try_into().unwrap_or(0));
        match waits_double {
            0 => Self::Fixed(wait),
            _ => Self::Exponential(wait),
        }
    }

    /// Returns the wait after the `failed`-th attempt (1 for the first). `random` in `0.0..1.0` varies it by up to ±10
    /// %, so that jobs that failed together do not run again together; 0.5 means no variation.
    pub fn after(self, failed: i64, random: f64) -> Duration {
        let exact = match self {
            Self::Fixed(base) => base,
            Self::Exponential(base) => {
                let doublings = u32::try_from(failed.clamp(1, 32) - 1).unwrap_or(31);
                base.checked_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).unwrap_or(LONGEST)
            }
        };
        exact.min(LONGEST).mul_f64(0.9 + 0.2 * random.clamp(0.0, 1.0))
    }
}
