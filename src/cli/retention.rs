//! Retention times of finished work, as settings.
//! Not here: the deletion (`crate::retention`).

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::app::Options;
use crate::retention::Settings;

fn kept() -> Settings {
    Settings::default()
}

fn hours(time: Duration) -> u32 {
    u32::try_from(time.as_secs() / 3_600).unwrap_or(u32::MAX)
}

fn days(time: Duration) -> u32 {
    hours(time) / 24
}

/// Times after which rows are deleted. Domain events and notices are kept for ever.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Retention")]
pub struct RetentionArgs {
    /// Days a job that succeeded is kept
    #[arg(long, value_name = "DAYS", env = "BOXOFFICE_KEEP_JOBS_DAYS", default_value_t = days(kept().jobs))]
    keep_jobs_days: u32,
    /// Days a job that failed for good is kept
    #[arg(long, value_name = "DAYS", env = "BOXOFFICE_KEEP_DEAD_JOBS_DAYS", default_value_t = days(kept().dead_jobs))]
    keep_dead_jobs_days: u32,
    /// Days the record of a delivery is kept
    #[arg(long, value_name = "DAYS", env = "BOXOFFICE_KEEP_DELIVERIES_DAYS", default_value_t = days(kept().deliveries))]
    keep_deliveries_days: u32,
    /// Hours an idempotency key is kept with its answer; at least 24
    #[arg(
        long,
        value_name = "HOURS",
        env = "BOXOFFICE_KEEP_IDEMPOTENCY_KEYS_HOURS",
        default_value_t = hours(kept().idempotency_keys),
        value_parser = RangedU64ValueParser::<u32>::new().range(24..)
    )]
    keep_idempotency_keys_hours: u32,
}

impl RetentionArgs {
    /// Applies the settings to the options of the service.
    pub fn apply(&self, options: &mut Options) {
        let hours = |n: u64| Duration::from_secs(3_600 * n);
        let days = |n: u32| hours(24 * u64::from(n));
        options.retention = Settings {
            jobs: days(self.keep_jobs_days),
            dead_jobs: days(self.keep_dead_jobs_days),
            deliveries: days(self.keep_deliveries_days),
            idempotency_keys: hours(self.keep_idempotency_keys_hours.into()),
        };
    }
}
