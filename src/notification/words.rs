//! The words of notices, in English; rendered when somebody reads, never stored.
//! Not here: markup, mails, and other languages, which will stand beside this one.

use crate::fact::Fact;
use crate::status::{CancelReason, EventField, LeaveReason};

/// What the words are about, loaded by whoever renders.
#[derive(Debug, Clone, Default)]
pub struct Names<'a> {
    /// Title of the event.
    pub event: Option<&'a str>,
    /// Reference of the booking.
    pub reference: Option<&'a str>,
}

/// One sentence for a notice. Exhaustive: a new kind of fact does not compile without its words.
pub fn render(fact: &Fact, names: &Names<'_>) -> String {
    let event = names.event.unwrap_or("the event");
    let reference = names.reference.unwrap_or("your booking");
    match fact {
        Fact::UserRegistered { .. } => "Welcome to Boxoffice.".to_owned(),
        Fact::EventPublished { .. } => format!("{event} is on sale."),
        Fact::EventUpdated { fields, .. } => {
            let fields: Vec<&str> = fields.iter().map(|field| field_words(*field)).collect();
            format!("{event} changed: {}.", fields.join(", "))
        }
        Fact::EventCancelled { .. } => match names.reference {
            Some(reference) => format!("{event} was called off. {reference} is cancelled."),
            None => format!("{event} was called off, so its waitlist is closed."),
        },
        Fact::BookingCreated { quantity, .. } => format!("New booking {reference}: {} for {event}.", places(*quantity)),
        Fact::BookingConfirmed { quantity, .. } => {
            format!("{reference} is confirmed: {} for {event}.", places(*quantity))
        }
        Fact::BookingCancelled { quantity, reason, .. } => {
            let why = match reason {
                CancelReason::ByCustomer => "by the customer",
                CancelReason::ByOrganizer => "by the organizer",
                CancelReason::EventCancelled => "because the event was called off",
            };
            format!("{reference} was cancelled {why}: {} for {event}.", places(*quantity))
        }
        Fact::WaitlistJoined { quantity, .. } => format!("You are in line for {} at {event}.", places(*quantity)),
        Fact::WaitlistPromoted { quantity, remaining: 0, .. } => {
            format!("The line moved: you have {} for {event} ({reference}).", places(*quantity))
        }
        Fact::WaitlistPromoted { quantity, remaining, .. } => format!(
            "The line moved: you have {} for {event} ({reference}) and still wait for {}.",
            places(*quantity),
            places(*remaining)
        ),
        Fact::WaitlistLeft { reason: LeaveReason::Left, .. } => format!("You left the line for {event}."),
        Fact::WaitlistLeft { reason: LeaveReason::EventCancelled, .. } => {
            format!("{event} was called off, so its line is closed.")
        }
        Fact::WaitlistLeft { reason: LeaveReason::EventOver, .. } => {
            format!("{event} has begun, so its waitlist is closed. You got no further tickets.")
        }
        Fact::WaitlistLeft { reason: LeaveReason::AccountClosed, .. } => {
            format!("Your account may not book tickets any more, so you no longer wait for {event}.")
        }
        Fact::AvailabilityChanged { .. } => format!("Places at {event} changed."),
    }
}

fn places(n: i64) -> String {
    if n == 1 { "1 place".to_owned() } else { format!("{n} places") }
}

fn field_words(field: EventField) -> &'static str {
    match field {
        EventField::Title => "title",
        EventField::Description => "description",
        EventField::Venue => "venue",
        EventField::TimeZone => "time zone",
        EventField::StartsAt => "beginning",
        EventField::EndsAt => "end",
        EventField::Price => "price",
    }
}
