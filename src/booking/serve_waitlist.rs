//! Job that promotes the entries of a long waitlist, requested by the transaction that freed the tickets.
//! Not here: its work (`promote`).

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::EventId;
use crate::queue::{JobKind, NewJob};

/// Job that promotes the waitlists of an event in chunks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ServeWaitlist {
    /// Event of the waitlists.
    pub event: EventId,
}

impl JobKind for ServeWaitlist {
    const KIND: &'static str = "serve_waitlist";
    const IS_LONG: bool = true;
}

/// Returns the job that promotes the entries one transaction left. Several jobs for one event do no harm: each reads
/// the entries that are left.
pub fn job(event: EventId, revision: i64, now: Timestamp) -> NewJob {
    NewJob::new(&ServeWaitlist { event }, now).once(format!("{event}:{revision}"))
}
