//! Text of notices, in English; rendered when a notice is read, never stored.
//! Not here: markup, mails, and other languages, which will be modules beside this one.

use crate::clock::Timestamp;
use crate::domain_event::DomainEvent;
use crate::status::{Audience, CancelReason, EventField, LeaveReason};
use crate::zone;

/// Names and values that the text of a notice mentions, loaded by the caller.
#[derive(Debug, Clone, Default)]
pub struct Names<'a> {
    /// Title of the event.
    pub event: Option<&'a str>,
    /// Reference of the booking.
    pub reference: Option<&'a str>,
    /// Changes of the event, for a notice about an update.
    pub changes: &'a [Change<'a>],
    /// Time zone and currency of the event, for its times and prices.
    pub locality: Locality<'a>,
}

/// Time zone and currency of an event's times and prices.
#[derive(Debug, Clone, Copy, Default)]
pub struct Locality<'a> {
    /// IANA name of the time zone.
    pub zone: &'a str,
    /// ISO 4217 code of the currency.
    pub currency: &'a str,
}

/// Field changed by an update, with the values as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Field that changed.
    pub field: EventField,
    /// Value before the update.
    pub old: &'a str,
    /// Value after the update.
    pub new: &'a str,
}

/// Renders one change: `Starts at: Sat 5 June 2027, 19:00 → Sun 6 June 2027, 20:00`. `all` are the changes of the same
/// update: if the time zone is one of them, the old times are shown in the old zone.
pub fn change(one: &Change<'_>, all: &[Change<'_>], locality: Locality<'_>) -> String {
    let zones = all.iter().find(|change| change.field == EventField::TimeZone);
    let (old_zone, new_zone) = zones.map_or((locality.zone, locality.zone), |change| (change.old, change.new));
    let time = |text: &str, zone: &str| {
        Timestamp::from_rfc3339(text).map_or_else(|| text.to_owned(), |instant| zone::words(instant, zone))
    };
    let (old, new) = match one.field {
        EventField::Description => return "Description changed".to_owned(),
        EventField::StartsAt | EventField::EndsAt => (time(one.old, old_zone), time(one.new, new_zone)),
        EventField::Price => {
            (format!("{} {}", one.old, locality.currency), format!("{} {}", one.new, locality.currency))
        }
        EventField::Title | EventField::Venue | EventField::TimeZone => (one.old.to_owned(), one.new.to_owned()),
    };
    format!("{}: {old} → {new}", field_label(one.field))
}

/// Renders one sentence for a notice from its first cause, as its audience reads it. Exhaustive: a new kind of domain
/// event
/// does not compile without its text.
pub fn render(domain_event: &DomainEvent, audience: Audience, names: &Names<'_>) -> String {
    let event = names.event.unwrap_or("the event");
    let reference = names.reference.unwrap_or("your booking");
    match domain_event {
        DomainEvent::UserRegistered { .. } => "Welcome to Boxoffice.".to_owned(),
        DomainEvent::EventPublished { .. } => format!("{event} is on sale."),
        DomainEvent::EventUpdated { fields, .. } => {
            let changes: Vec<String> =
                names.changes.iter().map(|one| change(one, names.changes, names.locality)).collect();
            if changes.is_empty() {
                let fields: Vec<&str> = fields.iter().map(|field| field_words(*field)).collect();
                return format!("{event} changed: {}.", fields.join(", "));
            }
            format!("{event} changed. {}.", changes.join(". "))
        }
        DomainEvent::EventCancelled { .. } => match names.reference {
            Some(reference) => format!("{event} was called off. {reference} is cancelled."),
            None => format!("{event} was called off, so its waitlist is closed."),
        },
        DomainEvent::BookingCreated { quantity, .. } => {
            format!("New booking {reference}: {} for {event}.", tickets(*quantity))
        }
        DomainEvent::BookingConfirmed { quantity, .. } => {
            format!("{reference} is confirmed: {} for {event}.", tickets(*quantity))
        }
        DomainEvent::BookingCancelled { quantity, reason, .. } => {
            let done = match (reason, audience) {
                (CancelReason::ByCustomer, Audience::Customer) => format!("You cancelled {reference}"),
                (CancelReason::ByCustomer, Audience::Organizer) => format!("The customer cancelled {reference}"),
                (CancelReason::ByOrganizer, Audience::Customer) => format!("The organizer cancelled {reference}"),
                (CancelReason::ByOrganizer, Audience::Organizer) => {
                    format!("{reference} was cancelled by the organizer")
                }
                (CancelReason::EventCancelled, _) => {
                    format!("{reference} was cancelled because the event was called off")
                }
            };
            format!("{done}: {} for {event}.", tickets(*quantity))
        }
        DomainEvent::WaitlistJoined { quantity, .. } => {
            format!("You are on the waitlist for {} at {event}.", tickets(*quantity))
        }
        DomainEvent::WaitlistPromoted { quantity, remaining: 0, .. } => {
            format!("The waitlist moved: you have {} for {event} ({reference}).", tickets(*quantity))
        }
        DomainEvent::WaitlistPromoted { quantity, remaining, .. } => format!(
            "The waitlist moved: you have {} for {event} ({reference}) and still wait for {}.",
            tickets(*quantity),
            tickets(*remaining)
        ),
        DomainEvent::WaitlistLeft { reason: LeaveReason::Left, .. } => format!("You left the waitlist for {event}."),
        DomainEvent::WaitlistLeft { reason: LeaveReason::EventCancelled, .. } => {
            format!("{event} was called off, so its waitlist is closed.")
        }
        DomainEvent::WaitlistLeft { reason: LeaveReason::EventOver, .. } => {
            format!("{event} has begun, so its waitlist is closed. You got no further tickets.")
        }
        DomainEvent::WaitlistLeft { reason: LeaveReason::AccountClosed, .. } => {
            format!("Your account may not book tickets any more, so you no longer wait for {event}.")
        }
        DomainEvent::AvailabilityChanged { .. } => format!("Tickets at {event} changed."),
    }
}

/// Renders a number of tickets.
pub fn tickets(n: i64) -> String {
    if n == 1 { "1 ticket".to_owned() } else { format!("{n} tickets") }
}

fn field_label(field: EventField) -> &'static str {
    match field {
        EventField::Title => "Title",
        EventField::Description => "Description",
        EventField::Venue => "Venue",
        EventField::TimeZone => "Time zone",
        EventField::StartsAt => "Starts at",
        EventField::EndsAt => "Ends at",
        EventField::Price => "Price",
    }
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
