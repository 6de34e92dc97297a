//! Notifications: notices to users, in the app and on other channels.
//! Not here: the choice of domain events that cause notices (`reactions`), and the streams that show notices live
//! (`graphql`).
//!
//! A notice is written once per domain event and user, in the reaction's transaction (`inbox`); audiences above a
//! thousand are notified by a resumable job (`fanout`). Each notice adds a `deliver` job per other channel; `deliver`
//! sends the message.

use crate::clock::Timestamp;
use crate::domain_event::{DomainEvent, Recorded};
use crate::id::{BookingId, DomainEventId, EventId, UserId};
use crate::status::{Audience, NoticeKind};

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
    /// Recipient of the notice.
    pub user: UserId,
    /// Kind of the notice.
    pub kind: NoticeKind,
    /// Side that it addresses.
    pub audience: Audience,
    /// First cause, which its text is made from.
    pub domain_event_id: DomainEventId,
    /// The first cause itself.
    pub domain_event: DomainEvent,
    /// Further causes that it tells of as well; usually none.
    pub further: Vec<DomainEventId>,
    /// Booking of the recipient that it is about, if any.
    pub booking: Option<BookingId>,
    /// Event that it is about, if any.
    pub event: Option<EventId>,
    /// Time of the first cause.
    pub at: Timestamp,
}

impl NewNotice {
    /// A notice about one domain event.
    pub fn of(cause: &Recorded, user: UserId, kind: NoticeKind, audience: Audience) -> Self {
        let about = cause.domain_event.about();
        Self {
            user,
            kind,
            audience,
            domain_event_id: cause.id,
            domain_event: cause.domain_event.clone(),
            further: Vec::new(),
            booking: about.booking,
            event: about.event,
            at: cause.occurred_at,
        }
    }

    /// Returns all causes, the first one first.
    pub fn causes(&self) -> impl Iterator<Item = DomainEventId> {
        std::iter::once(self.domain_event_id).chain(self.further.iter().copied())
    }
}
