//! Job queue: durable jobs for work outside the transaction, with attempts, backoff and a lease.
//! Not here: the work of a job; `jobs` lists the handlers.
//!
//! The product's founding documents define the three queues, the routing of domain events to them, the numbers of
//! attempts, and five jobs at a time. Five attempts at two seconds exponential have four waits: 2 + 4 + 8 + 16 = 30
//! seconds.
//!
//! ```ignore
//! /// The kind is its arguments.
//! #[derive(Serialize, Deserialize)]
//! struct Remind { booking: BookingId }
//! impl JobKind for Remind { const KIND: &str = "remind"; }
//!
//! queue::enqueue(tx, &[NewJob::new(&Remind { booking }, now)]).await?; // with the change it follows from
//! ```
//!
//! A handler is a [`registry::Run`], or a [`registry::RunBatch`] for many jobs at once; `jobs` registers it.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::db::{self, Cell, Column, DbError, Tx, record};
use crate::domain_event::DomainEvent;
use crate::id::DomainEventId;

pub mod backoff;
pub mod claim;
mod lanes;
pub mod purge;
pub mod registry;
pub mod worker;

pub use backoff::Backoff;

/// Queue of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    /// Messages about bookings and events.
    Emails,
    /// All other notices, and the jobs without a queue of their own.
    Notifications,
    /// Support tickets for failures.
    Tickets,
}

impl Cell for Queue {
    const COLUMN: Column = Column::Text;
}

/// Rule for the attempts of a job. It is stored with the job, so a job keeps the rule it was enqueued with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in total.
    pub attempts: i64,
    /// Growth of the waits between attempts.
    pub backoff: Backoff,
}

impl Retry {
    /// Rule for jobs without a queue of their own.
    const DEFAULT: Self = Self { attempts: 3, backoff: Backoff::Exponential(Duration::from_secs(2)) };
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

    /// Returns the rule for the attempts of jobs that were routed to this queue.
    pub fn retry(self) -> Retry {
        let (attempts, backoff) = match self {
            Self::Emails => (5, Backoff::Exponential(Duration::from_secs(2))),
            Self::Notifications => (3, Backoff::Exponential(Duration::from_secs(1))),
            Self::Tickets => (3, Backoff::Fixed(Duration::from_secs(5))),
        };
        Retry { attempts, backoff }
    }

    /// Returns the number of jobs of this queue that one process works on at the same time. A batch counts as one job,
    /// because it is one call and one commit; long jobs are not counted here.
    pub fn concurrency(self) -> usize {
        match self {
            Self::Emails | Self::Notifications | Self::Tickets => 5,
        }
    }

    /// Returns the queue that the product's documents name for notices about a domain event; `None` if they name none.
    /// For later releases they name `emails` for `booking.rejected` and `booking.modified`, `notifications` for
    /// `booking.reminder` and `payment.received`, `tickets` for `payment.failed`.
    pub fn of(domain_event: &DomainEvent) -> Option<Self> {
        match domain_event {
            DomainEvent::BookingCreated { .. }
            | DomainEvent::BookingConfirmed { .. }
            | DomainEvent::BookingCancelled { .. }
            | DomainEvent::EventUpdated { .. }
            | DomainEvent::EventCancelled { .. }
            | DomainEvent::UserRegistered { .. } => Some(Self::Emails),
            DomainEvent::EventPublished { .. }
            | DomainEvent::WaitlistJoined { .. }
            | DomainEvent::WaitlistPromoted { .. }
            | DomainEvent::WaitlistLeft { .. }
            | DomainEvent::AvailabilityChanged { .. } => None,
        }
    }
}

/// Kind of job. The implementing type is its arguments: ids, serialised as JSON.
///
/// Arguments of a stored job may be read by the release before or after this one, so a field is never added, removed or
/// given another meaning: a changed job is a new kind.
pub trait JobKind: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name under which jobs of the kind are stored.
    const KIND: &'static str;
    /// Queue of the kind; `None` for `notifications` under the rule for jobs without a queue of their own.
    const QUEUE: Option<Queue> = None;
    /// True for jobs that work in chunks and may take minutes. They have places of their own in the worker, so they
    /// never delay the jobs of a queue.
    const IS_LONG: bool = false;
}

record! {
    /// Job to enqueue.
    pub struct NewJob {
        /// Queue of the job.
        queue: Queue,
        /// Kind of the job; selects the handler.
        kind: &'static str,
        /// Arguments as JSON.
        args: String,
        /// Domain event that caused the job.
        domain_event_id: Option<DomainEventId>,
        /// Attempts in total.
        max_attempts: i64,
        /// Wait after the first failed attempt, in milliseconds.
        first_wait_ms: i64,
        /// 1 if each wait is twice the one before, 0 if all are equal.
        waits_double: i64,
        /// Earliest time of the first attempt.
        run_at: Timestamp,
        /// Unique per kind: a second job with the same kind and key is not enqueued.
        unique_key: Option<String>,
        /// Time of enqueueing.
        created_at: Timestamp,
    }
}

impl NewJob {
    /// Creates a job in the queue of its kind that may run at once.
    pub fn new<K: JobKind>(args: &K, now: Timestamp) -> Self {
        let job = Self {
            queue: Queue::Notifications,
            kind: K::KIND,
            // Serialising ids and words cannot fail; a null ends as a dead job, never as a lost one.
            args: serde_json::to_value(args).unwrap_or_default().to_string(),
            domain_event_id: None,
            max_attempts: 0,
            first_wait_ms: 0,
            waits_double: 0,
            run_at: now,
            unique_key: None,
            created_at: now,
        };
        job.in_queue(K::QUEUE)
    }

    /// Routes the job to a queue, under the rule of the queue; `None` for `notifications` under the rule for jobs
    /// without a queue of their own.
    pub fn in_queue(self, queue: Option<Queue>) -> Self {
        let Retry { attempts, backoff } = queue.map_or(Retry::DEFAULT, Queue::retry);
        let (first_wait_ms, waits_double) = backoff.stored();
        let queue = queue.unwrap_or(Queue::Notifications);
        Self { queue, max_attempts: attempts, first_wait_ms, waits_double, ..self }
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
        "INSERT INTO job (queue, kind, args, domain_event_id, max_attempts, first_wait_ms, waits_double, run_at, unique_key,
                          created_at, state)
               SELECT queue, kind, args, domain_event_id, max_attempts, first_wait_ms, waits_double, run_at, unique_key,
                          created_at, 'available'
               FROM {records} WHERE true ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO NOTHING";
    db::update_by(tx, sql, jobs, []).await
}
