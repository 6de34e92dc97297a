//! Reactions to each domain event: notices to users, and jobs. One exhaustive, pure match, printed as a snapshot.
//! Not here: carrying them out, except for [`consumer`], which writes the effects of a batch set-based.

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
use crate::relay::{Consumer, Notified, React, Reacted, Start};
use crate::status::{Audience, CancelReason, LeaveReason, NoticeKind};

/// Effect that follows from a domain event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A notice to a customer.
    TellUser(UserId, NoticeKind),
    /// A notice to each user who acts for an organizer.
    TellOrganizer(OrganizerId, NoticeKind),
    /// A notice to each of these customers of an event.
    TellCustomers(EventId, Customers, NoticeKind),
    /// A job that ends the bookings and the waitlist of a cancelled event, in chunks.
    CallOff(EventId),
}

/// Returns the effects of a domain event.
pub fn effects_of(domain_event: &DomainEvent) -> Vec<Effect> {
    use Effect::{CallOff, TellCustomers, TellOrganizer, TellUser};
    match *domain_event {
        DomainEvent::UserRegistered { user } => vec![TellUser(user, NoticeKind::UserRegistered)],
        DomainEvent::EventPublished { .. } => vec![],
        DomainEvent::EventUpdated { event, .. } => {
            vec![TellCustomers(event, Customers::WithLiveBooking, NoticeKind::EventUpdated)]
        }
        DomainEvent::EventCancelled { event, .. } => {
            vec![TellCustomers(event, Customers::WhenCalledOff, NoticeKind::EventCancelled), CallOff(event)]
        }
        // Under AUTO the customer gets one notice, for the confirmation.
        DomainEvent::BookingCreated { organizer, .. } => vec![TellOrganizer(organizer, NoticeKind::BookingCreated)],
        // A promotion has a notice of its own, which says that the booking is confirmed.
        DomainEvent::BookingConfirmed { entry: Some(_), .. } => vec![],
        DomainEvent::BookingConfirmed { user, entry: None, .. } => vec![TellUser(user, NoticeKind::BookingConfirmed)],
        // When an event is called off, the customer gets one notice, for `event.cancelled`; the organizer made the
        // change.
        DomainEvent::BookingCancelled { reason: CancelReason::EventCancelled, .. } => vec![],
        DomainEvent::BookingCancelled { user, organizer, .. } => {
            let kind = NoticeKind::BookingCancelled;
            vec![TellUser(user, kind), TellOrganizer(organizer, kind)]
        }
        DomainEvent::WaitlistJoined { user, .. } => vec![TellUser(user, NoticeKind::WaitlistJoined)],
        DomainEvent::WaitlistPromoted { user, .. } => vec![TellUser(user, NoticeKind::WaitlistPromoted)],
        // When an event is called off, a waiting customer also gets one notice, for `event.cancelled`.
        DomainEvent::WaitlistLeft { reason: LeaveReason::EventCancelled, .. } => vec![],
        DomainEvent::WaitlistLeft { user, .. } => vec![TellUser(user, NoticeKind::WaitlistLeft)],
        // Subscriptions show availability live; there are no notices.
        DomainEvent::AvailabilityChanged { .. } => vec![],
    }
}

/// Name of this consumer in the database.
const CONSUMER: &str = "reactions";

/// Returns the consumer that writes the effects of domain events, set-based, a batch at a time.
pub fn consumer(ctx: Ctx) -> Consumer {
    let react: React = Arc::new(move |tx, domain_events| {
        let ctx = ctx.clone();
        Box::pin(async move { write(&ctx, &tx, &domain_events).await })
    });
    Consumer { name: CONSUMER, start: Start::Beginning, react }
}

async fn write(ctx: &Ctx, tx: &Tx, domain_events: &[Recorded]) -> Result<Reacted, DbError> {
    let plan: Vec<(&Recorded, Vec<Effect>)> =
        domain_events.iter().map(|recorded| (recorded, effects_of(&recorded.domain_event))).collect();
    let organizers: HashSet<OrganizerId> = plan
        .iter()
        .flat_map(|(_, effects)| effects)
        .filter_map(|effect| match effect {
            Effect::TellOrganizer(organizer, _) => Some(*organizer),
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
    for (recorded, effects) in plan {
        let (before, mut fan_out) = (notices.len(), false);
        for effect in effects {
            match effect {
                Effect::TellUser(user, kind) => {
                    notices.push(NewNotice::of(recorded, user, kind, Audience::Customer));
                }
                Effect::TellOrganizer(organizer, kind) => {
                    let users = members.get(&organizer).into_iter().flatten();
                    notices.extend(users.map(|user| NewNotice::of(recorded, *user, kind, Audience::Organizer)));
                }
                Effect::TellCustomers(event, which, kind) => {
                    let customers =
                        audience::customers(tx, event, which, recorded.occurred_at, None, audience::CHUNK + 1).await?;
                    if customers.len() as i64 > audience::CHUNK {
                        jobs.push(fanout::job(recorded, event, which, kind, ctx.now()));
                        fan_out = true;
                        continue;
                    }
                    notices.extend(customers.into_iter().map(|customer| NewNotice {
                        booking: customer.booking,
                        ..NewNotice::of(recorded, customer.user, kind, Audience::Customer)
                    }));
                }
                Effect::CallOff(event) => jobs.push(call_off::job(recorded.id, event, ctx.now())),
            }
        }
        let (kind, event, recipients) =
            (recorded.domain_event.kind(), recorded.domain_event.about().event, notices.len() - before);
        if fan_out || recipients > 0 {
            notified.push(Notified { domain_event: recorded.id, kind, event, recipients, fan_out });
        }
    }
    let heads = inbox::write(tx, &notices, ctx.now()).await?;
    queue::enqueue(tx, &jobs).await?;
    Ok(Reacted { heads, notified })
}
