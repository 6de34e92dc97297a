//! Domain events: what happened, past tense, typed and versioned.
//! Not here: recording them (`outbox`), numbering them (`relay`), and what follows from them (`reactions`).
//!
//! Domain events hold ids and numbers, never names, addresses or free text: those live in tables that erasure can overwrite.
//! Names are the field's standard names for what happened and stay for ever; a new meaning is a new version.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{BookingId, ChangeId, DomainEventId, EntryId, EventId, OrganizerId, UserId};
use crate::status::{CancelReason, EventField, LeaveReason};

/// The version of domain event data this release writes. It reads this one and the one before.
pub const VERSION: i64 = 1;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all_fields = "camelCase")]
pub enum DomainEvent {
    /// Somebody opened an account.
    #[serde(rename = "user.registered")]
    UserRegistered {
        /// Who.
        user: UserId,
    },
    /// An event can be seen and booked.
    #[serde(rename = "event.published")]
    EventPublished {
        /// Which.
        event: EventId,
        /// Whose.
        organizer: OrganizerId,
    },
    /// What customers were promised about an event changed.
    #[serde(rename = "event.updated")]
    EventUpdated {
        /// Which.
        event: EventId,
        /// Whose.
        organizer: OrganizerId,
        /// Where old and new values stand (table `event_change`).
        change: ChangeId,
        /// What changed.
        fields: Vec<EventField>,
    },
    /// An event was called off.
    #[serde(rename = "event.cancelled")]
    EventCancelled {
        /// Which.
        event: EventId,
        /// Whose.
        organizer: OrganizerId,
    },
    /// A customer placed a booking.
    #[serde(rename = "booking.created")]
    BookingCreated {
        /// Which.
        booking: BookingId,
        /// Of which event.
        event: EventId,
        /// Whose event.
        organizer: OrganizerId,
        /// Whose booking.
        user: UserId,
        /// Tickets.
        quantity: i64,
    },
    /// The tickets are the customer's. Exactly once per booking.
    #[serde(rename = "booking.confirmed")]
    BookingConfirmed {
        /// Which.
        booking: BookingId,
        /// Of which event.
        event: EventId,
        /// Whose event.
        organizer: OrganizerId,
        /// Whose booking.
        user: UserId,
        /// Tickets.
        quantity: i64,
    },
    /// A booking no longer claims its tickets.
    #[serde(rename = "booking.cancelled")]
    BookingCancelled {
        /// Which.
        booking: BookingId,
        /// Of which event.
        event: EventId,
        /// Whose event.
        organizer: OrganizerId,
        /// Whose booking.
        user: UserId,
        /// Tickets given back.
        quantity: i64,
        /// Why.
        reason: CancelReason,
    },
    /// A customer waits on the waitlist for tickets, or for more than before.
    #[serde(rename = "waitlist.joined")]
    WaitlistJoined {
        /// Their entry.
        entry: EntryId,
        /// Of which event.
        event: EventId,
        /// Whose event.
        organizer: OrganizerId,
        /// Who.
        user: UserId,
        /// Tickets the entry waits for now.
        quantity: i64,
    },
    /// The waitlist gave a customer tickets.
    #[serde(rename = "waitlist.promoted")]
    WaitlistPromoted {
        /// Their entry.
        entry: EntryId,
        /// The booking made for them.
        booking: BookingId,
        /// Of which event.
        event: EventId,
        /// Whose event.
        organizer: OrganizerId,
        /// Who.
        user: UserId,
        /// Tickets given.
        quantity: i64,
        /// Tickets the entry still waits for.
        remaining: i64,
    },
    /// A customer is no longer on the waitlist.
    #[serde(rename = "waitlist.left")]
    WaitlistLeft {
        /// Their entry.
        entry: EntryId,
        /// Of which event.
        event: EventId,
        /// Whose event.
        organizer: OrganizerId,
        /// Who.
        user: UserId,
        /// Tickets given up.
        quantity: i64,
        /// Why.
        reason: LeaveReason,
    },
    /// How many tickets are free changed.
    #[serde(rename = "availability.changed")]
    AvailabilityChanged {
        /// Of which event.
        event: EventId,
        /// The event's stock revision after the change.
        revision: i64,
    },
}

/// What a domain event is about; columns of its row, so that streams filter without reading the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About {
    /// The event.
    pub event: Option<EventId>,
    /// Its organizer.
    pub organizer: Option<OrganizerId>,
    /// The customer.
    pub user: Option<UserId>,
    /// The booking.
    pub booking: Option<BookingId>,
}

impl DomainEvent {
    /// The name it is stored, routed and logged under.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UserRegistered { .. } => "user.registered",
            Self::EventPublished { .. } => "event.published",
            Self::EventUpdated { .. } => "event.updated",
            Self::EventCancelled { .. } => "event.cancelled",
            Self::BookingCreated { .. } => "booking.created",
            Self::BookingConfirmed { .. } => "booking.confirmed",
            Self::BookingCancelled { .. } => "booking.cancelled",
            Self::WaitlistJoined { .. } => "waitlist.joined",
            Self::WaitlistPromoted { .. } => "waitlist.promoted",
            Self::WaitlistLeft { .. } => "waitlist.left",
            Self::AvailabilityChanged { .. } => "availability.changed",
        }
    }

    /// Every kind this release knows.
    pub const KINDS: &'static [&'static str] = &[
        "user.registered",
        "event.published",
        "event.updated",
        "event.cancelled",
        "booking.created",
        "booking.confirmed",
        "booking.cancelled",
        "waitlist.joined",
        "waitlist.promoted",
        "waitlist.left",
        "availability.changed",
    ];

    /// What it is about.
    pub fn about(&self) -> About {
        match *self {
            Self::UserRegistered { user } => About { user: Some(user), ..About::default() },
            Self::EventPublished { event, organizer }
            | Self::EventUpdated { event, organizer, .. }
            | Self::EventCancelled { event, organizer } => {
                About { event: Some(event), organizer: Some(organizer), ..About::default() }
            }
            Self::BookingCreated { booking, event, organizer, user, .. }
            | Self::BookingConfirmed { booking, event, organizer, user, .. }
            | Self::BookingCancelled { booking, event, organizer, user, .. }
            | Self::WaitlistPromoted { booking, event, organizer, user, .. } => {
                About { event: Some(event), organizer: Some(organizer), user: Some(user), booking: Some(booking) }
            }
            Self::WaitlistJoined { event, organizer, user, .. } | Self::WaitlistLeft { event, organizer, user, .. } => {
                About { event: Some(event), organizer: Some(organizer), user: Some(user), booking: None }
            }
            Self::AvailabilityChanged { event, .. } => About { event: Some(event), ..About::default() },
        }
    }

    /// The data of the envelope, without the kind.
    pub fn data(&self) -> serde_json::Value {
        // Serialising ids, numbers and words cannot fail; a null would be parked by the relay, not lost.
        let tagged = serde_json::to_value(self).unwrap_or_default();
        tagged.get("data").cloned().unwrap_or_default()
    }

    /// Whether this release can read domain events of a kind and version. A later release that says something new, or the same
    /// otherwise, takes a new kind or version, so that nothing here is misread.
    pub fn is_known(kind: &str, v: i64) -> bool {
        v <= VERSION && Self::KINDS.contains(&kind)
    }

    /// Reads a stored domain event of this version or the one before.
    pub fn read(kind: &str, v: i64, data: &str) -> Result<Self, UnreadableDomainEvent> {
        if !Self::is_known(kind, v) {
            return Err(UnreadableDomainEvent::Newer);
        }
        let data: serde_json::Value =
            serde_json::from_str(data).map_err(|e| UnreadableDomainEvent::Damaged(e.to_string()))?;
        serde_json::from_value(serde_json::json!({ "kind": kind, "data": data }))
            .map_err(|e| UnreadableDomainEvent::Damaged(e.to_string()))
    }
}

/// Why a stored domain event cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableDomainEvent {
    /// Written by a later release: leave it to a process of that release.
    #[error("of a kind or version newer than this release")]
    Newer,
    /// Not what its kind says; parked.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// A domain event with its envelope, numbered: what consumers and streams see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id, made before the transaction that recorded it.
    pub id: DomainEventId,
    /// Its place in the history of this database: contiguous, in commit order.
    pub seq: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who caused it; none: the service itself.
    pub actor: Option<UserId>,
    /// What happened.
    pub domain_event: DomainEvent,
}
