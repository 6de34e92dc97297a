//! How long a failed job waits: pure arithmetic.
//! Not here: clocks and queues.

use std::time::Duration;

/// No wait is longer than this.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How the waits between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Doubles: base, 2 × base, 4 × base, …
    Exponential(Duration),
    /// Always the same.
    Fixed(Duration),
}

impl Backoff {
    /// The wait after the `failed`-th attempt (1 for the first). `random` in `0.0..1.0` spreads it by up to ±10 %, so
    /// that what failed together does not come back together; 0.5 means exactly.
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
