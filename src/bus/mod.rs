//! The bus: wakes everybody in this process who waits for news. The table is the truth; what is lost here only delays.
//! Not here: reading tables (`relay::feed` does it for domain events, each stream for itself) and other processes.
//!
//! Domain events go over a tokio broadcast channel in `seq` order. A receiver that lags, sees a gap or hears nothing reads the
//! table again. Notices are not sent over it: each connected user has a watch that says "look again" and cannot lag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, watch};

use crate::domain_event::Recorded;
use crate::id::UserId;

/// How many domain events a slow receiver may fall behind before it has to read the table.
const CAPACITY: usize = 1_024;

/// The watched inboxes of this process.
type Inboxes = Arc<Mutex<HashMap<UserId, watch::Sender<InboxHead>>>>;

/// How far an inbox is known to be numbered and read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxHead {
    /// Number of the newest notice.
    pub last: i64,
    /// Number up to which notices are read.
    pub read: i64,
}

/// The bus of this process; cheap to clone.
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
    /// A bus whose receivers may fall `capacity` domain events behind.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            domain_events: broadcast::channel(capacity).0,
            head: watch::channel(0).0,
            inboxes: Arc::default(),
            deaf: Arc::default(),
        }
    }

    /// Sends a domain event to whoever listens; nobody listening is fine.
    pub fn publish(&self, domain_event: Arc<Recorded>) {
        if !self.deaf.load(Ordering::Relaxed) {
            let _ = self.domain_events.send(domain_event);
        }
    }

    /// Listens to domain events from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Recorded>> {
        self.domain_events.subscribe()
    }

    /// Says up to which number domain events were read from the table and published.
    pub fn set_head(&self, seq: i64) {
        self.head.send_replace(seq);
    }

    /// That number; whoever heard of less has missed something and reads the table.
    pub fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// Watches one user's inbox: new notices, and those that are marked read.
    pub fn watch_inbox(&self, user: UserId) -> InboxWatch {
        let mut inboxes = self.lock();
        let sender = inboxes.entry(user).or_insert_with(|| watch::channel(InboxHead::default()).0);
        InboxWatch { receiver: Some(sender.subscribe()), user, inboxes: self.inboxes.clone() }
    }

    /// Says that these users' newest notices have these numbers.
    pub fn wake_inboxes(&self, heads: impl IntoIterator<Item = (UserId, i64)>) {
        if self.deaf.load(Ordering::Relaxed) {
            return;
        }
        self.note_heads(heads.into_iter().map(|(user, last)| (user, InboxHead { last, read: 0 })));
    }

    /// Says that a user has read their notices up to this number.
    pub fn wake_reader(&self, user: UserId, read: i64) {
        if !self.deaf.load(Ordering::Relaxed) {
            self.note_heads([(user, InboxHead { last: 0, read })]);
        }
    }

    /// The same, from the regular look into the table that nothing can switch off.
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

    /// Whose inboxes are being watched.
    pub fn watched_inboxes(&self) -> Vec<UserId> {
        self.lock().keys().copied().collect()
    }

    /// Drops every wake-up from now on; for tests, which show that nothing depends on them.
    pub fn mute(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, watch::Sender<InboxHead>>> {
        self.inboxes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A watch on one inbox; the last one of a user to go takes the channel with it.
pub struct InboxWatch {
    /// There until the watch is dropped.
    receiver: Option<watch::Receiver<InboxHead>>,
    user: UserId,
    inboxes: Inboxes,
}

impl InboxWatch {
    /// Waits until there may be something new.
    pub async fn changed(&mut self) {
        let changed = match &mut self.receiver {
            Some(receiver) => receiver.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            // The channel outlives every watch; a closed one means the process stops.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for InboxWatch {
    fn drop(&mut self) {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Given up under the lock: of two that go at once, the second sees that nobody is left.
        self.receiver = None;
        if inboxes.get(&self.user).is_some_and(|sender| sender.receiver_count() == 0) {
            inboxes.remove(&self.user);
        }
    }
}
