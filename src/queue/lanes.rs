//! Places of a worker for jobs in progress: a number per queue, and a few for long jobs of any queue.
//! Not here: choosing the next jobs (`worker`).
//!
//! A place is acquired before the claim, so no job is claimed that this process cannot start. A batch takes one place
//! of its queue: it is one call and one commit, however many jobs it holds, and counting its jobs would make a batch of
//! 100 one of five.

use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::Queue;
use super::registry::{Handler, Mode};

/// Number of long jobs in progress, of all queues together.
const LONG: usize = 2;

/// Places by lane.
pub(super) struct Lanes {
    queues: [(Queue, Arc<Semaphore>); Queue::ALL.len()],
    long: Arc<Semaphore>,
    freed: Notify,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            queues: Queue::ALL.map(|queue| (queue, Arc::new(Semaphore::new(queue.concurrency())))),
            long: Arc::new(Semaphore::new(LONG)),
            freed: Notify::new(),
        }
    }

    /// Takes the free places for jobs of a queue with this handler: one for a batch, otherwise all.
    pub(super) fn take(&self, queue: Queue, handler: &Handler) -> Vec<OwnedSemaphorePermit> {
        let own = self.queues.iter().find(|(one, _)| *one == queue).map(|(_, places)| places);
        let Some(lane) = (if handler.is_long { Some(&self.long) } else { own }) else { return Vec::new() };
        let most = match handler.mode {
            Mode::Single => usize::MAX,
            Mode::Batch(_) => 1,
        };
        std::iter::from_fn(|| lane.clone().try_acquire_owned().ok()).take(most).collect()
    }

    /// Frees the place of a job that ended.
    pub(super) fn free(&self, place: OwnedSemaphorePermit) {
        drop(place);
        self.freed.notify_one();
    }

    /// Waits until a place was freed since the last wait.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}
