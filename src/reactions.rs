//! What follows each fact: who is told, and which jobs run. One exhaustive, pure match, printed as a snapshot.
//! Not here: doing it, but for [`react`], which writes the consequences of a batch set-based.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::booking::call_off;
use crate::ctx::Ctx;
use crate::db::{DbError, Tx};
use crate::fact::{Fact, Recorded};
use crate::id::{EventId, OrganizerId, UserId};
use crate::notification::audience::{self, Customers};
use crate::notification::{NewNotice, fanout, inbox};
use crate::queue::{self, NewJob};
use crate::relay::{React, Reacted, Told};
use crate::status::{CancelReason, LeaveReason};

/// Something that follows from a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// This user gets a notice.
    TellUser(UserId),
    /// Everybody who acts for this organizer gets a notice.
    TellOrganizer(OrganizerId),
    /// These customers of an event get a notice.
    TellCustomers(EventId, Customers),
    /// The bookings and the line of a cancelled event end, in chunks.
    CallOff(EventId),
}

/// What follows a fact.
pub fn follow(fact: &Fact) -> Vec<Consequence> {
    use Consequence::{CallOff, TellCustomers, TellOrganizer, TellUser};
    match *fact {
        Fact::UserRegistered { user } => vec![TellUser(user)],
        Fact::EventPublished { .. } => vec![],
        Fact::EventUpdated { event, .. } => vec![TellCustomers(event, Customers::WithLiveBooking)],
        Fact::EventCancelled { event, .. } => vec![TellCustomers(event, Customers::WhenCalledOff), CallOff(event)],
        // Under AUTO the customer is told once, by the confirmation.
        Fact::BookingCreated { organizer, .. } => vec![TellOrganizer(organizer)],
        Fact::BookingConfirmed { user, .. } => vec![TellUser(user)],
        // Of an event called off, the customer hears once, from `event.cancelled`; its organizer did it.
        Fact::BookingCancelled { reason: CancelReason::EventCancelled, .. } => vec![],
        Fact::BookingCancelled { user, organizer, .. } => vec![TellUser(user), TellOrganizer(organizer)],
        Fact::WaitlistJoined { user, .. } => vec![TellUser(user)],
        Fact::WaitlistPromoted { user, .. } => vec![TellUser(user)],
        // Likewise: who waited for an event called off hears once, from `event.cancelled`.
        Fact::WaitlistLeft { reason: LeaveReason::EventCancelled, .. } => vec![],
        Fact::WaitlistLeft { user, .. } => vec![TellUser(user)],
        // Watched live, told to nobody.
        Fact::AvailabilityChanged { .. } => vec![],
    }
}

/// Writes what follows from a batch of facts, in the transaction that moves the cursor over them.
pub fn react(ctx: Ctx) -> React {
    Arc::new(move |tx, facts| {
        let ctx = ctx.clone();
        Box::pin(async move { write(&ctx, &tx, &facts).await })
    })
}

async fn write(ctx: &Ctx, tx: &Tx, facts: &[Recorded]) -> Result<Reacted, DbError> {
    let plan: Vec<(&Recorded, Vec<Consequence>)> = facts.iter().map(|fact| (fact, follow(&fact.fact))).collect();
    let organizers: HashSet<OrganizerId> = plan
        .iter()
        .flat_map(|(_, consequences)| consequences)
        .filter_map(|consequence| match consequence {
            Consequence::TellOrganizer(organizer) => Some(*organizer),
            _ => None,
        })
        .collect();
    let mut members: HashMap<OrganizerId, Vec<UserId>> = HashMap::new();
    for (organizer, user) in audience::members(tx, organizers).await? {
        members.entry(organizer).or_default().push(user);
    }

    let mut notices: Vec<NewNotice> = Vec::new();
    let mut jobs: Vec<NewJob> = Vec::new();
    let mut told: Vec<Told> = Vec::new();
    for (fact, consequences) in plan {
        let (before, mut fan_out) = (notices.len(), false);
        for consequence in consequences {
            match consequence {
                Consequence::TellUser(user) => notices.push(notice(fact, user)),
                Consequence::TellOrganizer(organizer) => {
                    let users = members.get(&organizer).into_iter().flatten();
                    notices.extend(users.map(|user| notice(fact, *user)));
                }
                Consequence::TellCustomers(event, which) => {
                    let customers = audience::customers(tx, event, which, None, audience::CHUNK + 1).await?;
                    if customers.len() as i64 > audience::CHUNK {
                        jobs.push(fanout::job(fact, event, which, ctx.now()));
                        fan_out = true;
                        continue;
                    }
                    notices.extend(
                        customers
                            .into_iter()
                            .map(|customer| NewNotice { booking: customer.booking, ..notice(fact, customer.user) }),
                    );
                }
                Consequence::CallOff(event) => jobs.push(call_off::job(fact.id, event, ctx.now())),
            }
        }
        let (kind, event, recipients) = (fact.fact.kind(), fact.fact.about().event, notices.len() - before);
        if fan_out || recipients > 0 {
            told.push(Told { fact: fact.id, kind, event, recipients, fan_out });
        }
    }
    let heads = inbox::write(tx, &notices, ctx.now()).await?;
    queue::enqueue(tx, &jobs).await?;
    Ok(Reacted { heads, told })
}

fn notice(fact: &Recorded, user: UserId) -> NewNotice {
    let about = fact.fact.about();
    NewNotice {
        user,
        fact_id: fact.id,
        booking: about.booking,
        event: about.event,
        fact: fact.fact.clone(),
        at: fact.occurred_at,
    }
}
