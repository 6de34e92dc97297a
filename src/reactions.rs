//! Reactions to each domain event: notices to users, and jobs. One exhaustive, pure match, printed as a snapshot.
//! Not here: carrying them out, except for [`react`], which writes the effects of a batch set-based.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::booking::call_off;
use crate::ctx::Ctx;
use crate::db::{DbError, Tx};
use crate::domain_event::{DomainEvent, Recorded};
use crate::id::{EventId, OrganizerId, UserId};
use crate::notification::audience::{self, Customers};
use crate::notification::{NewNotice, fanout, inbox};
use crate::queue::{self, NewJob};
use crate::relay::{Notified, React, Reacted};
use crate::status::{CancelReason, LeaveReason};

/// Effect that follows from a domain event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A notice to this user.
    TellUser(UserId),
    /// A notice to each user who acts for this organizer.
    TellOrganizer(OrganizerId),
    /// A notice to each of these customers of an event.
    TellCustomers(EventId, Customers),
    /// A job that ends the bookings and the waitlist of a cancelled event, in chunks.
    CallOff(EventId),
}

/// Returns the effects of a domain event.
pub fn effects_of(domain_event: &DomainEvent) -> Vec<Effect> {
    use Effect::{CallOff, TellCustomers, TellOrganizer, TellUser};
    match *domain_event {
        DomainEvent::UserRegistered { user } => vec![TellUser(user)],
        DomainEvent::EventPublished { .. } => vec![],
        DomainEvent::EventUpdated { event, .. } => vec![TellCustomers(event, Customers::WithLiveBooking)],
        DomainEvent::EventCancelled { event, .. } => {
            vec![TellCustomers(event, Customers::WhenCalledOff), CallOff(event)]
        }
        // Under AUTO the customer gets one notice, for the confirmation.
        DomainEvent::BookingCreated { organizer, .. } => vec![TellOrganizer(organizer)],
        DomainEvent::BookingConfirmed { user, .. } => vec![TellUser(user)],
        // When an event is called off, the customer gets one notice, for `event.cancelled`; the organizer made the
        // change.
        DomainEvent::BookingCancelled { reason: CancelReason::EventCancelled, .. } => vec![],
        DomainEvent::BookingCancelled { user, organizer, .. } => vec![TellUser(user), TellOrganizer(organizer)],
        DomainEvent::WaitlistJoined { user, .. } => vec![TellUser(user)],
        DomainEvent::WaitlistPromoted { user, .. } => vec![TellUser(user)],
        // When an event is called off, a waiting customer also gets one notice, for `event.cancelled`.
        DomainEvent::WaitlistLeft { reason: LeaveReason::EventCancelled, .. } => vec![],
        DomainEvent::WaitlistLeft { user, .. } => vec![TellUser(user)],
        // Subscriptions show availability live; there are no notices.
        DomainEvent::AvailabilityChanged { .. } => vec![],
    }
}

/// Writes the effects of a batch of domain events, in the transaction that moves the cursor over them.
pub fn react(ctx: Ctx) -> React {
    Arc::new(move |tx, domain_events| {
        let ctx = ctx.clone();
        Box::pin(async move { write(&ctx, &tx, &domain_events).await })
    })
}

async fn write(ctx: &Ctx, tx: &Tx, domain_events: &[Recorded]) -> Result<Reacted, DbError> {
    let plan: Vec<(&Recorded, Vec<Effect>)> =
        domain_events.iter().map(|domain_event| (domain_event, effects_of(&domain_event.domain_event))).collect();
    let organizers: HashSet<OrganizerId> = plan
        .iter()
        .flat_map(|(_, consequences)| consequences)
        .filter_map(|consequence| match consequence {
            Effect::TellOrganizer(organizer) => Some(*organizer),
            _ => None,
        })
        .collect();
    let mut members: HashMap<OrganizerId, Vec<UserId>> = HashMap::new();
    for (organizer, user) in audience::members(tx, organizers).await? {
        members.entry(organizer).or_default().push(user);
    }

    let mut notices: Vec<NewNotice> = Vec::new();
    let mut jobs: Vec<NewJob> = Vec::new();
    let mut notified: Vec<Notified> = Vec::new();
    for (domain_event, consequences) in plan {
        let (before, mut fan_out) = (notices.len(), false);
        for consequence in consequences {
            match consequence {
                Effect::TellUser(user) => notices.push(notice(domain_event, user)),
                Effect::TellOrganizer(organizer) => {
                    let users = members.get(&organizer).into_iter().flatten();
                    notices.extend(users.map(|user| notice(domain_event, *user)));
                }
                Effect::TellCustomers(event, which) => {
                    let customers = audience::customers(tx, event, which, None, audience::CHUNK + 1).await?;
                    if customers.len() as i64 > audience::CHUNK {
                        jobs.push(fanout::job(domain_event, event, which, ctx.now()));
                        fan_out = true;
                        continue;
                    }
                    notices.extend(customers.into_iter().map(|customer| NewNotice {
                        booking: customer.booking,
                        ..notice(domain_event, customer.user)
                    }));
                }
                Effect::CallOff(event) => jobs.push(call_off::job(domain_event.id, event, ctx.now())),
            }
        }
        let (kind, event, recipients) =
            (domain_event.domain_event.kind(), domain_event.domain_event.about().event, notices.len() - before);
        if fan_out || recipients > 0 {
            notified.push(Notified { domain_event: domain_event.id, kind, event, recipients, fan_out });
        }
    }
    let heads = inbox::write(tx, &notices, ctx.now()).await?;
    queue::enqueue(tx, &jobs).await?;
    Ok(Reacted { heads, notified })
}

fn notice(domain_event: &Recorded, user: UserId) -> NewNotice {
    let about = domain_event.domain_event.about();
    NewNotice {
        user,
        domain_event_id: domain_event.id,
        booking: about.booking,
        event: about.event,
        domain_event: domain_event.domain_event.clone(),
        at: domain_event.occurred_at,
    }
}
