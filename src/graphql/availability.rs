//! All GraphQL about availability: the object, and the stream of its changes.
//! Not here: the figures (`crate::booking::availability`), and the availability hub that publishes changes
//! (`crate::booking::watch`).

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

/// Largest number of events that one stream watches.
const EVENTS_MAX: usize = 50;

/// Ticket availability of an event at one revision. The `id` stays the same, so that a cache replaces the figures of an
/// event with later ones.
#[derive(Debug, Clone, SimpleObject)]
pub struct Availability {
    /// Opaque id, one per event: the same in `Event.availability` and in every message of `availabilityChanged`.
    #[graphql(owned)]
    pub id: ID,
    /// Id of the event.
    event_id: ID,
    /// Number of tickets of the event in all.
    capacity: i32,
    /// Number of tickets in confirmed bookings.
    sold: i32,
    /// Number of tickets held for bookings that wait for approval or payment.
    held: i32,
    /// Number of tickets that can be booked now: free tickets that are not kept for the waitlist. 0 once the event has
    /// begun or was called off; for a draft, the number after publication.
    available: i32,
    /// Number of tickets that the entries on the waitlist still wait for.
    waiting: i32,
    /// Revision of these figures. It rises by one with each commit that changes them.
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

/// Ticket availability of a slot at one revision of its event. A value without an id: it belongs to its slot.
#[derive(Debug, Clone, SimpleObject)]
pub struct SlotAvailability {
    /// Number of tickets of the slot in all.
    capacity: i32,
    /// Number of tickets in confirmed bookings.
    sold: i32,
    /// Number of tickets held until a deadline.
    held: i32,
    /// Number of tickets that can be booked now; 0 once the slot has begun.
    available: i32,
    /// Number of tickets that waitlist entries still wait for.
    waiting: i32,
    /// Revision of the event at which any of these figures last changed.
    revision: i32,
}

impl From<availability::SlotAvailability> for SlotAvailability {
    fn from(row: availability::SlotAvailability) -> Self {
        Self {
            capacity: int(row.capacity),
            sold: int(row.sold),
            held: int(row.held),
            available: int(row.available),
            waiting: int(row.waiting),
            revision: int(row.revision),
        }
    }
}

/// Returns the events that a stream is to watch, each once, in the order of the request.
fn asked(event_id: Option<ID>, event_ids: Option<Vec<ID>>) -> Result<Vec<EventId>> {
    let bad = |text: String| Fault::BadUserInput.error(text);
    let ids = match (event_id, event_ids) {
        (Some(one), None) => vec![one],
        (None, Some(several)) if (1..=EVENTS_MAX).contains(&several.len()) => several,
        (None, Some(_)) => return Err(bad(format!("eventIds must have 1 to {EVENTS_MAX} ids."))),
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

/// Streams the current figures of these events, then each change of them.
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
    // A draft may get another organizer; an event that was published once stays public.
    let drafts: Vec<EventId> = events.iter().filter(|row| !crate::event::is_public(row)).map(|row| row.id).collect();
    // Before the table is read, so that no change in between is missed.
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
    /// Ticket availability of one or several events: the current figures, then newer ones when they change. Each
    /// message is about one event. Figures in between may be skipped; the revision never falls. Give either `eventId`
    /// or `eventIds`. No sign-in needed for published events.
    async fn availability_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of one event.")] event_id: Option<ID>,
        #[graphql(desc = "Ids of several events, at most 50. Refused as a whole when one of them is hidden from you.")]
        event_ids: Option<Vec<ID>>,
    ) -> Result<impl Stream<Item = Result<Availability>> + use<>> {
        changes(ctx, event_id, event_ids).await
    }
}
