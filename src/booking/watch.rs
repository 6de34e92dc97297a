//! Availability hub: the availability of watched events, read once per change for all who watch them.
//! Not here: permission to watch (`graphql`), and the figures themselves (`availability`).
//!
//! A watch delivers states, not a log: it may skip to the newest, sends at most one per 100 ms when changes come
//! faster, always ends with the last one and never goes back.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::availability::{self, Availability};
use super::list::{self, Standing};
use crate::bus::Bus;
use crate::ctx::Ctx;
use crate::db::DbError;
use crate::domain_event::{DomainEvent, Recorded};
use crate::id::{EntryId, EventId};
use crate::sync;

/// Shortest time between two reads.
const MERGE: Duration = Duration::from_millis(100);

/// Poll interval for changes and beginnings that come without a wake-up.
const LOOK_EVERY: Duration = Duration::from_secs(1);

type Watched = Arc<Mutex<HashMap<EventId, watch::Sender<Option<Availability>>>>>;

/// Front of an event's waitlist, with the revision it is at least as new as.
type Front = (i64, Arc<HashMap<EntryId, Standing>>);

/// Availability hub of this process; cheap to clone.
#[derive(Clone, Default)]
pub struct AvailabilityHub {
    watched: Watched,
    /// Fronts of the waitlists of watched events, each read once per revision for all who watch an entry.
    fronts: Arc<tokio::sync::Mutex<HashMap<EventId, Front>>>,
}

/// Watch on one event. When the last watch of an event is dropped, the hub stops reading the event.
pub struct AvailabilityWatch {
    /// Present until the watch is dropped.
    receiver: Option<watch::Receiver<Option<Availability>>>,
    event: EventId,
    availability_hub: AvailabilityHub,
}

enum Dirty {
    These(HashSet<EventId>),
    All,
}

impl AvailabilityHub {
    /// Starts a watch on an event.
    pub fn watch(&self, event: EventId) -> AvailabilityWatch {
        let mut watched = self.lock();
        let sender = watched.entry(event).or_insert_with(|| watch::channel(None).0);
        AvailabilityWatch { receiver: Some(sender.subscribe()), event, availability_hub: self.clone() }
    }

    /// Returns the front of an event's waitlist, as of this revision or a later one.
    pub async fn front(&self, ctx: &Ctx, of: &Availability) -> Result<Arc<HashMap<EntryId, Standing>>, DbError> {
        let mut fronts = self.fronts.lock().await;
        if let Some((_, front)) = fronts.get(&of.event_id).filter(|(revision, _)| *revision >= of.revision) {
            return Ok(front.clone());
        }
        let rows = list::front(ctx.db.read(), of.event_id).await?;
        let front: Arc<HashMap<_, _>> = Arc::new(rows.into_iter().map(|entry| (entry.id, entry)).collect());
        fronts.retain(|event, _| self.lock().contains_key(event));
        fronts.insert(of.event_id, (of.revision, front.clone()));
        Ok(front)
    }

    /// Runs the hub until `stop` is cancelled.
    pub async fn run(self, ctx: Ctx, bus: Bus, stop: CancellationToken) {
        let mut domain_events = bus.listen();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut dirty = tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => Dirty::All,
                event = self.begins(&ctx) => Dirty::These(HashSet::from([event])),
                heard = domain_events.recv() => match heard {
                    Ok(domain_event) => Dirty::These(changed(&domain_event).into_iter().collect()),
                    Err(RecvError::Lagged(_)) => Dirty::All,
                    Err(RecvError::Closed) => return,
                },
            };
            loop {
                match domain_events.try_recv() {
                    Ok(domain_event) => {
                        if let Dirty::These(events) = &mut dirty {
                            events.extend(changed(&domain_event));
                        }
                    }
                    Err(TryRecvError::Lagged(_)) => dirty = Dirty::All,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            let watched: Vec<EventId> = match dirty {
                Dirty::All => self.lock().keys().copied().collect(),
                Dirty::These(events) => {
                    let watched = self.lock();
                    events.into_iter().filter(|event| watched.contains_key(event)).collect()
                }
            };
            if watched.is_empty() {
                continue;
            }
            match availability::of(ctx.db.read(), &watched, ctx.now()).await {
                Ok(rows) => self.show(rows),
                Err(error) => tracing::error!(%error, "availability of watched events could not be read"),
            }
            tokio::time::sleep(MERGE).await;
        }
    }

    /// Waits until the next slot of the watched events begins; from then on it cannot be booked.
    async fn begins(&self, ctx: &Ctx) -> EventId {
        let now = ctx.now();
        let next = {
            let watched = self.lock();
            let shown = watched.values().filter_map(|sender| *sender.borrow());
            let begins = shown.filter_map(|shown| Some((shown.next_start.filter(|at| *at > now)?, shown.event_id)));
            begins.min_by_key(|(at, _)| *at)
        };
        let Some((at, event)) = next else { return std::future::pending().await };
        let wait = u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0);
        tokio::time::sleep(Duration::from_micros(wait)).await;
        event
    }

    fn show(&self, rows: Vec<Availability>) {
        let watched = self.lock();
        for row in rows {
            if let Some(sender) = watched.get(&row.event_id) {
                sender.send_if_modified(|shown| {
                    let newer = shown.is_none_or(|shown| is_newer(&row, &shown));
                    if newer {
                        *shown = Some(row);
                    } else if let Some(shown) = shown.as_mut().filter(|shown| shown.revision == row.revision) {
                        // A slot has begun, and the figures are the same: nothing to tell.
                        shown.next_start = row.next_start;
                    }
                    newer
                });
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EventId, watch::Sender<Option<Availability>>>> {
        sync::lock(&self.watched)
    }
}

/// Returns true if figures replace those shown: those of a later revision, or of the same revision at a later time.
fn is_newer(row: &Availability, shown: &Availability) -> bool {
    row.revision > shown.revision || (row.revision == shown.revision && row.available < shown.available)
}

fn changed(recorded: &Recorded) -> Option<EventId> {
    match recorded.domain_event {
        DomainEvent::AvailabilityChanged { event, .. } => Some(event),
        _ => None,
    }
}

impl AvailabilityWatch {
    /// Waits for figures newer than the known ones.
    pub async fn newer_than(&mut self, known: &Availability) -> Availability {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        let found = receiver.wait_for(|shown| shown.is_some_and(|shown| is_newer(&shown, known))).await;
        match found.map(|shown| *shown) {
            Ok(Some(shown)) => shown,
            // The channel outlives every watch; a closed one means that the process stops.
            _ => std::future::pending().await,
        }
    }
}

impl Drop for AvailabilityWatch {
    fn drop(&mut self) {
        let mut watched = self.availability_hub.lock();
        // Dropped under the lock: of two watches dropped at once, the second sees that none is left.
        self.receiver = None;
        if watched.get(&self.event).is_some_and(|sender| sender.receiver_count() == 0) {
            watched.remove(&self.event);
        }
    }
}
