//! The queue: durable jobs for work outside the transaction, with attempts, backoff and a lease.
//! Not here: what a job does; the worker is given the handlers by `app`.
//!
//! The three queues, which domain event goes where and how often it is tried come from the documents the product was conceived
//! from. Five attempts at two seconds exponential are four waits: 2 + 4 + 8 + 16 = 30 seconds.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::db::{self, Cell, Column, DbError, Tx, record};
use crate::id::DomainEventId;

pub mod backoff;
pub mod claim;
pub mod purge;
pub mod worker;

pub use backoff::Backoff;

/// Where a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    /// Messages about bookings and events.
    Emails,
    /// Everything else people are told; and the fan-outs.
    Notifications,
    /// Makes support tickets of failures.
    Tickets,
}

impl Cell for Queue {
    const COLUMN: Column = Column::Text;
}

/// How often and when a job is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts in all.
    pub attempts: i64,
    /// How the waits between them grow.
    pub backoff: Backoff,
}

impl Queue {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Emails, Self::Notifications, Self::Tickets];

    /// The name it is stored under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emails => "emails",
            Self::Notifications => "notifications",
            Self::Tickets => "tickets",
        }
    }

    /// Its policy.
    pub fn policy(self) -> Policy {
        let (attempts, backoff) = match self {
            Self::Emails => (5, Backoff::Exponential(Duration::from_millis(2_000))),
            Self::Notifications => (3, Backoff::Exponential(Duration::from_millis(1_000))),
            Self::Tickets => (3, Backoff::Fixed(Duration::from_millis(5_000))),
        };
        Policy { attempts, backoff }
    }

    /// Which queue tells people of a kind of domain event. Kinds without a place of their own go to `notifications`.
    pub fn of(domain_event_kind: &str) -> Self {
        match domain_event_kind {
            "booking.created" | "booking.confirmed" | "booking.cancelled" | "booking.rejected" | "booking.modified"
            | "event.updated" | "event.cancelled" | "user.registered" => Self::Emails,
            "payment.failed" => Self::Tickets,
            _ => Self::Notifications,
        }
    }
}

record! {
    /// A job to be enqueued.
    pub struct NewJob {
        /// Where.
        queue: Queue,
        /// Which handler.
        kind: &'static str,
        /// JSON of ids.
        args: String,
        /// The domain event it follows from.
        domain_event_id: Option<DomainEventId>,
        /// Attempts in all.
        max_attempts: i64,
        /// Not before this.
        run_at: Timestamp,
        /// (kind, key) is done at most once.
        unique_key: Option<String>,
        /// When it was enqueued.
        created_at: Timestamp,
    }
}

impl NewJob {
    /// A job that may run at once.
    pub fn new(queue: Queue, kind: &'static str, args: &serde_json::Value, now: Timestamp) -> Self {
        Self {
            queue,
            kind,
            args: args.to_string(),
            domain_event_id: None,
            max_attempts: queue.policy().attempts,
            run_at: now,
            unique_key: None,
            created_at: now,
        }
    }

    /// Because of this domain event.
    pub fn because_of(self, domain_event: DomainEventId) -> Self {
        Self { domain_event_id: Some(domain_event), ..self }
    }

    /// At most once per kind and key, whatever is repeated.
    pub fn once(self, key: String) -> Self {
        Self { unique_key: Some(key), ..self }
    }
}

/// Enqueues jobs with the change they follow from; those whose key is known are passed over.
pub async fn enqueue(tx: &Tx, jobs: &[NewJob]) -> Result<u64, DbError> {
    if jobs.is_empty() {
        return Ok(0);
    }
    let sql =
        "INSERT INTO job (queue, kind, args, domain_event_id, max_attempts, run_at, unique_key, created_at, state)
               SELECT queue, kind, args, domain_event_id, max_attempts, run_at, unique_key, created_at, 'available'
               FROM {records} WHERE true ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO NOTHING";
    db::update_by(tx, sql, jobs, []).await
}
