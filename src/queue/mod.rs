//! Job queue: durable jobs for work outside the transaction, with attempts, backoff and a lease.
//! Not here: the work of a job; `app` gives the worker its handlers.
//!
//! The product's founding documents define the three queues, the routing of domain events to them, and the numbers of
//! attempts. Five attempts at two seconds exponential have four waits: 2 + 4 + 8 + 16 = 30 seconds.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::db::{self, Cell, Column, DbError, Tx, record};
use crate::id::DomainEventId;

pub mod backoff;
pub mod claim;
pub mod purge;
pub mod worker;

pub use backoff::Backoff;

/// Queue of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    /// Messages about bookings and events.
    Emails,
    /// All other notices, and the fan-outs.
    Notifications,
    /// Support tickets for failures.
    Tickets,
}

impl Cell for Queue {
    const COLUMN: Column = Column::Text;
}

/// Retry policy of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts in total.
    pub attempts: i64,
    /// Growth of the waits between attempts.
    pub backoff: Backoff,
}

impl Queue {
    /// All queues, in the order of declaration.
    pub const ALL: [Self; 3] = [Self::Emails, Self::Notifications, Self::Tickets];

    /// Returns the name under which the queue is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emails => "emails",
            Self::Notifications => "notifications",
            Self::Tickets => "tickets",
        }
    }

    /// Returns the retry policy of the queue.
    pub fn policy(self) -> Policy {
        let (attempts, backoff) = match self {
            Self::Emails => (5, Backoff::Exponential(Duration::from_millis(2_000))),
            Self::Notifications => (3, Backoff::Exponential(Duration::from_millis(1_000))),
            Self::Tickets => (3, Backoff::Fixed(Duration::from_millis(5_000))),
        };
        Policy { attempts, backoff }
    }

    /// Returns the queue for notices about a kind of domain event. Kinds without an explicit queue go to
    /// `notifications`.
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
    /// Job to enqueue.
    pub struct NewJob {
        /// Queue of the job.
        queue: Queue,
        /// Kind of the job; selects the handler.
        kind: &'static str,
        /// Arguments: ids, as JSON.
        args: String,
        /// Domain event that caused the job.
        domain_event_id: Option<DomainEventId>,
        /// Attempts in total.
        max_attempts: i64,
        /// Earliest time of the first attempt.
        run_at: Timestamp,
        /// Unique per kind: a second job with the same kind and key is not enqueued.
        unique_key: Option<String>,
        /// Time of enqueueing.
        created_at: Timestamp,
    }
}

impl NewJob {
    /// Creates a job that may run at once.
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

    /// Sets the domain event that caused the job.
    pub fn because_of(self, domain_event: DomainEventId) -> Self {
        Self { domain_event_id: Some(domain_event), ..self }
    }

    /// Sets the unique key, so that the job is enqueued at most once per kind and key.
    pub fn once(self, key: String) -> Self {
        Self { unique_key: Some(key), ..self }
    }
}

/// Enqueues jobs in the transaction of the change they follow from. Jobs with a known key are skipped.
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
