//! All GraphQL about availability: the object, and the stream of its changes.
//! Not here: the figures (`crate::booking::availability`), and the availability hub that tells of changes (`crate::booking::watch`).

use async_graphql::{Context, ID, Result, SimpleObject, Subscription};
use futures_util::Stream;
use futures_util::future::select_all;

use super::Services;
use super::error::{db_fault, int};
use super::guard::acting;
use super::page::id;
use super::scalar::id_of;
use super::stream::{gone, still_may, stream};
use crate::access::Action;
use crate::booking::availability;
use crate::booking::watch::AvailabilityWatch;
use crate::engine::fault::Fault;
use crate::id::{AvailabilityId, EventId};

/// The most events one stream watches.
const EVENTS_MAX: usize = 50;

/// How an event's tickets stand, at one revision. Caches merge later figures of the event into earlier ones by `id`.
#[derive(Debug, Clone, SimpleObject)]
pub struct Availability {
    /// Opaque id, one per event: the same in `Event.availability` and in every message of `availabilityChanged`.
    #[graphql(owned)]
    pub id: ID,
    /// Id of the event whose tickets these are.
    event_id: ID,
    /// Tickets there are.
    capacity: i32,
    /// Tickets of confirmed bookings.
    sold: i32,
    /// Tickets held until a deadline.
    held: i32,
    /// Tickets a newcomer can book now: free ones that nobody waits for.
    available: i32,
    /// Tickets people on the waitlist still want.
    waiting: i32,
    /// Rises by one per commit that changes any of this; later figures have a higher one.
    revision: i32,
}

impl From<availability::Availability> for Availability {
    fn from(row: availability::Availability) -> Self {
        Self {
            id: id(AvailabilityId(row.event_id.0)),
            event_id: id(row.event_id),
            capacity: int(row.capacity),
            sold: int(row.sold),
            held: int(row.held),
            available: int(row.available),
            waiting: int(row.waiting),
            revision: int(row.revision),
        }
    }
}

/// The events a stream is asked for, each once, in the order of asking.
fn asked(event_id: Option<ID>, event_ids: Option<Vec<ID>>) -> Result<Vec<EventId>> {
    let bad = |text: String| Fault::BadUserInput.error(text);
    let ids = match (event_id, event_ids) {
        (Some(one), None) => vec![one],
        (None, Some(several)) if (1..=EVENTS_MAX).contains(&several.len()) => several,
        (None, Some(_)) => return Err(bad(format!("eventIds must be 1 to {EVENTS_MAX}."))),
        _ => return Err(bad("Name the events by either eventId or eventIds.".to_owned())),
    };
    let mut events: Vec<EventId> = Vec::with_capacity(ids.len());
    for id in &ids {
        let event = id_of(id)?.ok_or_else(|| absent(id))?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

fn absent(id: &ID) -> async_graphql::Error {
    Fault::NotFound.error(format!("There is no event {}.", id.as_str()))
}

/// The figures of these events as they stand now, then each change of any of them.
async fn changes(
    ctx: &Context<'_>,
    event_id: Option<ID>,
    event_ids: Option<Vec<ID>>,
) -> Result<impl Stream<Item = Result<Availability>> + use<>> {
    let services = ctx.data::<Services>()?.clone();
    let ctx = acting(ctx)?.clone();
    let asked = asked(event_id, event_ids)?;
    let events = crate::event::store::by_ids(ctx.db.read(), &asked).await.map_err(|e| db_fault(&e))?;
    let is_seen = |id: &&EventId| events.iter().any(|row| row.id == **id && crate::event::may_see(&ctx, row));
    if let Some(hidden) = asked.iter().find(|id| !is_seen(id)) {
        return Err(absent(&id(*hidden)));
    }
    // A draft may get another organizer; what was published once stays public.
    let drafts: Vec<EventId> = events.iter().filter(|row| !crate::event::is_public(row)).map(|row| row.id).collect();
    // Before the table is read: a change in between is told.
    let mut watches: Vec<AvailabilityWatch> = asked.iter().map(|id| services.availability_hub.watch(*id)).collect();
    Ok(stream(move |out| async move {
        let mut found = availability::of(ctx.db.read(), &asked, ctx.now()).await.map_err(|e| db_fault(&e))?;
        let mut shown = Vec::with_capacity(asked.len());
        for event in &asked {
            let at = found.iter().position(|row| row.event_id == *event).ok_or_else(|| absent(&id(*event)))?;
            let row = found.swap_remove(at);
            out.send(Ok(row.into())).await.map_err(gone)?;
            shown.push(row);
        }
        loop {
            let changes = watches.iter_mut().zip(&shown).map(|(watch, row)| Box::pin(watch.newer_than(row)));
            let (newer, at, _) = select_all(changes).await;
            still_may(&services, &ctx, Action::Browse).await?;
            if drafts.contains(&newer.event_id) {
                let now = crate::event::store::by_id(ctx.db.read(), newer.event_id).await.map_err(|e| db_fault(&e))?;
                now.filter(|row| crate::event::may_see(&ctx, row)).ok_or_else(|| absent(&id(newer.event_id)))?;
            }
            shown[at] = newer;
            out.send(Ok(newer.into())).await.map_err(gone)?;
        }
    }))
}

/// Subscriptions to availability.
#[derive(Default)]
pub struct AvailabilitySubscription;

#[Subscription]
impl AvailabilitySubscription {
    /// How the tickets of events stand: now, and whenever that changes, a message per event. May skip to the newest, never
    /// goes back. Name one event or several. No account needed.
    async fn availability_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "One event.")] event_id: Option<ID>,
        #[graphql(desc = "Several events, 50 at most; refused as a whole when one of them is not there.")]
        event_ids: Option<Vec<ID>>,
    ) -> Result<impl Stream<Item = Result<Availability>> + use<>> {
        changes(ctx, event_id, event_ids).await
    }
}
