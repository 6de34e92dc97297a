//! Notifications: notices to users, in the app and on other channels.
//! Not here: the choice of domain events that cause notices (`reactions`), and the streams that show notices live
//! (`graphql`).
//!
//! A notice is written once per domain event and user, in the reaction's transaction (`inbox`); audiences above a
//! thousand are notified by a resumable job (`fanout`). Each notice adds a `deliver` job per other channel; `deliver`
//! sends the message.

use crate::clock::Timestamp;
use crate::domain_event::DomainEvent;
use crate::id::{BookingId, DomainEventId, EventId, UserId};

pub mod audience;
pub mod deliver;
pub mod fanout;
pub mod inbox;
pub mod purge;
pub mod read;
pub mod words;

/// Notice that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// Recipient of the notice.
    pub user: UserId,
    /// Domain event that the notice is about.
    pub domain_event_id: DomainEventId,
    /// The recipient's booking concerned, if any.
    pub booking: Option<BookingId>,
    /// The event concerned, if any.
    pub event: Option<EventId>,
    /// Kind and data of the notice.
    pub domain_event: DomainEvent,
    /// Time of the domain event.
    pub at: Timestamp,
}
