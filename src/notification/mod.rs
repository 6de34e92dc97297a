//! Notifications: what people are told, in the app and on other channels.
//! Not here: whether a domain event tells anybody (`reactions`), and the streams that show notices live (`graphql`).
//!
//! A notice is written once per domain event and person, in the reaction's transaction (`inbox`); audiences above a thousand go
//! through a resumable job (`fanout`). Each notice brings a `deliver` job per other channel; `deliver` sends.

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

/// One notice to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// Whom it tells.
    pub user: UserId,
    /// Of which domain event.
    pub domain_event_id: DomainEventId,
    /// Which booking of theirs it is about, if of one.
    pub booking: Option<BookingId>,
    /// Which event it is about, if of one.
    pub event: Option<EventId>,
    /// What happened: kind and data of the notice.
    pub domain_event: DomainEvent,
    /// When it happened.
    pub at: Timestamp,
}
