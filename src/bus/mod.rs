//! Bus: wakes the tasks of this process that wait for domain events or notices. The tables hold the data; a lost
//! wake-up only causes delay.
//! Not here: reading tables (`relay::feed` reads domain events, each stream its own data), and waking other processes
//! (`relay`).
//!
//! Domain events go over a tokio broadcast channel in `seq` order. A receiver that lags, sees a gap or receives nothing
//! reads the table again. Notices are not sent over it: each connected user has a watch channel that signals a change
//! and cannot lag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, watch};

use crate::domain_event::Recorded;
use crate::id::UserId;
use crate::sync;

/// Number of domain events a slow receiver may lag behind before it has to read the table.
const CAPACITY: usize = 1_024;

/// Watched inboxes of this process.
type Inboxes = Arc<Mutex<HashMap<UserId, watch::Sender<InboxHead>>>>;

/// Highest known numbers of an inbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxHead {
    /// Number of the newest notice.
    pub last: i64,
    /// Number up to which notices are read.
    pub read: i64,
}

/// Bus of this process; cheap to clone.
#[derive(Clone)]
pub struct Bus {
    domain_events: broadcast::Sender<Arc<Recorded>>,
    head: watch::Sender<i64>,
    inboxes: Inboxes,
    deaf: Arc<AtomicBool>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Bus {
    /// Creates a bus with receivers that may lag `capacity` domain events behind.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            domain_events: broadcast::channel(capacity).0,
            head: watch::channel(0).0,
            inboxes: Arc::default(),
            deaf: Arc::default(),
        }
    }

    /// Sends a domain event to all receivers, if there are any.
    pub fn publish(&self, domain_event: Arc<Recorded>) {
        if !self.deaf.load(Ordering::Relaxed) {
            let _ = self.domain_events.send(domain_event);
        }
    }

    /// Returns a receiver of the domain events from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Recorded>> {
        self.domain_events.subscribe()
    }

    /// Sets the number up to which domain events were read from the table and published.
    pub fn set_head(&self, seq: i64) {
        self.head.send_replace(seq);
    }

    /// Returns the number up to which domain events were published. A receiver that has seen only lower numbers has
    /// missed some and reads the table.
    pub fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// Watches the inbox of a user for new notices and for notices marked read.
    pub fn watch_inbox(&self, user: UserId) -> InboxWatch {
        let mut inboxes = self.lock();
        let sender = inboxes.entry(user).or_insert_with(|| watch::channel(InboxHead::default()).0);
        InboxWatch { receiver: Some(sender.subscribe()), user, inboxes: self.inboxes.clone() }
    }

    /// Sets the number of the newest notice for each of these users.
    pub fn wake_inboxes(&self, heads: impl IntoIterator<Item = (UserId, i64)>) {
        if self.deaf.load(Ordering::Relaxed) {
            return;
        }
        self.note_heads(heads.into_iter().map(|(user, last)| (user, InboxHead { last, read: 0 })));
    }

    /// Sets the number up to which a user has read their notices.
    pub fn wake_reader(&self, user: UserId, read: i64) {
        if !self.deaf.load(Ordering::Relaxed) {
            self.note_heads([(user, InboxHead { last: 0, read })]);
        }
    }

    /// Updates inboxes from a regular read of the table. Unlike wake-ups, it cannot be muted.
    pub fn note_heads(&self, heads: impl IntoIterator<Item = (UserId, InboxHead)>) {
        let inboxes = self.lock();
        for (user, head) in heads {
            if let Some(sender) = inboxes.get(&user) {
                sender.send_if_modified(|known| {
                    let before = *known;
                    *known = InboxHead { last: head.last.max(before.last), read: head.read.max(before.read) };
                    *known != before
                });
            }
        }
    }

    /// Returns the users with a watched inbox.
    pub fn watched_inboxes(&self) -> Vec<UserId> {
        self.lock().keys().copied().collect()
    }

    /// Drops every wake-up from now on; for tests, which show that correctness does not depend on wake-ups.
    pub fn mute(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, watch::Sender<InboxHead>>> {
        sync::lock(&self.inboxes)
    }
}

/// Watch on one inbox. The last watch of a user removes the channel when it is dropped.
pub struct InboxWatch {
    /// Present until the watch is dropped.
    receiver: Option<watch::Receiver<InboxHead>>,
    user: UserId,
    inboxes: Inboxes,
}

impl InboxWatch {
    /// Waits until the inbox may have changed.
    pub async fn changed(&mut self) {
        let changed = match &mut self.receiver {
            Some(receiver) => receiver.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            // The channel outlives every watch; it is closed only when the process stops.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for InboxWatch {
    fn drop(&mut self) {
        let mut inboxes = sync::lock(&self.inboxes);
        // Dropped under the lock: of two watches that end at once, the second sees that no receiver is left.
        self.receiver = None;
        if inboxes.get(&self.user).is_some_and(|sender| sender.receiver_count() == 0) {
            inboxes.remove(&self.user);
        }
    }
}
