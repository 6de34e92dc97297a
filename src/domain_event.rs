//! Domain events: typed and versioned records of past changes.
//! Not here: recording them (`outbox`), numbering them (`relay`), and reactions to them (`reactions`).
//!
//! Domain events hold ids and numbers, never names, addresses or free text: those live in tables that erasure can
//! overwrite. The kinds are standard names of the field and never change; a new meaning gets a new version.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{BookingId, ChangeId, DomainEventId, EntryId, EventId, OrganizerId, UserId};
use crate::status::{CancelReason, EventField, LeaveReason};

/// Version of the domain event data that this release writes. It reads this version and the one before.
pub const VERSION: i64 = 2;

/// Declares the kinds of domain event: each is named once, here, for the database, the log and the routes.
macro_rules! domain_events {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$kdoc:meta])* $variant:ident = $kind:literal { $($(#[$fdoc:meta])* $field:ident: $type:ty,)* },)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "data", rename_all_fields = "camelCase")]
        pub enum $name {
            $($(#[$kdoc])* #[serde(rename = $kind)] $variant { $($(#[$fdoc])* $field: $type,)* },)*
        }

        impl $name {
            /// All kinds this release knows, in the order of declaration.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// Returns the name under which the domain event is stored and logged.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $kind,)* }
            }
        }
    };
}

domain_events! {
    /// Content of a domain event, by kind.
    DomainEvent {
        /// A user opened an account.
        UserRegistered = "user.registered" {
            /// User with the new account.
            user: UserId,
        },
        /// An event was published: it can be seen and booked.
        EventPublished = "event.published" {
            /// Event that is published.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
        },
        /// Details of an event that customers rely on changed.
        EventUpdated = "event.updated" {
            /// Event that changed.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
            /// Id of the change in table `event_change`, with the old and new values.
            change: ChangeId,
            /// Fields that changed.
            fields: Vec<EventField>,
        },
        /// An event was cancelled.
        EventCancelled = "event.cancelled" {
            /// Event that is cancelled.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
        },
        /// A customer placed a booking.
        BookingCreated = "booking.created" {
            /// Booking that was placed.
            booking: BookingId,
            /// Event that is booked.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
            /// Customer of the booking.
            user: UserId,
            /// Number of tickets.
            quantity: i64,
        },
        /// The tickets of a booking are the customer's. Recorded exactly once per booking.
        BookingConfirmed = "booking.confirmed" {
            /// Booking that is confirmed.
            booking: BookingId,
            /// Event that is booked.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
            /// Customer of the booking.
            user: UserId,
            /// Number of tickets.
            quantity: i64,
            /// Waitlist entry the tickets were given to; `None` for a direct booking.
            #[serde(deserialize_with = "Option::deserialize")] // so that data without the field is damaged
            entry: Option<EntryId>,
        },
        /// A booking no longer claims its tickets.
        BookingCancelled = "booking.cancelled" {
            /// Booking that is cancelled.
            booking: BookingId,
            /// Event that was booked.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
            /// Customer of the booking.
            user: UserId,
            /// Number of tickets given back.
            quantity: i64,
            /// Reason of the cancellation.
            reason: CancelReason,
        },
        /// A customer joined a waitlist, or waits for more tickets than before.
        WaitlistJoined = "waitlist.joined" {
            /// Waitlist entry of the customer.
            entry: EntryId,
            /// Event that is waited for.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
            /// Customer of the entry.
            user: UserId,
            /// Number of tickets the entry waits for now.
            quantity: i64,
        },
        /// A waitlist entry was promoted.
        WaitlistPromoted = "waitlist.promoted" {
            /// Waitlist entry of the customer.
            entry: EntryId,
            /// Booking made for the entry.
            booking: BookingId,
            /// Event that is booked.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
            /// Customer of the entry.
            user: UserId,
            /// Number of tickets given.
            quantity: i64,
            /// Number of tickets the entry still waits for.
            remaining: i64,
        },
        /// A customer left a waitlist.
        WaitlistLeft = "waitlist.left" {
            /// Waitlist entry of the customer.
            entry: EntryId,
            /// Event that was waited for.
            event: EventId,
            /// Organizer of the event.
            organizer: OrganizerId,
            /// Customer of the entry.
            user: UserId,
            /// Number of tickets the entry waited for.
            quantity: i64,
            /// Reason for leaving.
            reason: LeaveReason,
        },
        /// The number of free tickets of an event changed.
        AvailabilityChanged = "availability.changed" {
            /// Event with the change.
            event: EventId,
            /// Stock revision of the event after the change.
            revision: i64,
        },
    }
}

/// Objects a domain event is about; columns of its row, so that streams filter without reading the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About {
    /// Event that is concerned.
    pub event: Option<EventId>,
    /// Organizer of the event.
    pub organizer: Option<OrganizerId>,
    /// Customer that is concerned.
    pub user: Option<UserId>,
    /// Booking that is concerned.
    pub booking: Option<BookingId>,
}

impl DomainEvent {
    /// Returns the objects the domain event is about.
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

    /// Returns the data of the envelope, without the kind.
    pub fn data(&self) -> serde_json::Value {
        // Serialising ids, numbers and words cannot fail; a null would be parked by the relay, not lost.
        let tagged = serde_json::to_value(self).unwrap_or_default();
        tagged.get("data").cloned().unwrap_or_default()
    }

    /// Returns true if this release can read domain events of a kind and version. A later release uses a new kind or
    /// version for new or changed data, so that this release never misreads it.
    pub fn is_known(kind: &str, v: i64) -> bool {
        v <= VERSION && Self::KINDS.contains(&kind)
    }

    /// Reads a stored domain event of this version or the one before.
    pub fn read(kind: &str, v: i64, data: &str) -> Result<Self, UnreadableDomainEvent> {
        if !Self::is_known(kind, v) {
            return Err(UnreadableDomainEvent::Newer);
        }
        let mut data: serde_json::Value =
            serde_json::from_str(data).map_err(|e| UnreadableDomainEvent::Damaged(e.to_string()))?;
        if v < VERSION {
            upgrade(kind, v, &mut data);
        }
        serde_json::from_value(serde_json::json!({ "kind": kind, "data": data }))
            .map_err(|e| UnreadableDomainEvent::Damaged(e.to_string()))
    }
}

/// Brings data of an older version to the present one, a version at a time. The step of a kind that gained a field adds
/// the value that was true then.
fn upgrade(kind: &str, v: i64, data: &mut serde_json::Value) {
    // Version 2: a confirmation names the waitlist entry it fulfils. Before, it did not, and its customer got a notice
    // for the promotion as well.
    if v < 2
        && kind == "booking.confirmed"
        && let Some(fields) = data.as_object_mut()
    {
        fields.insert("entry".to_owned(), serde_json::Value::Null);
    }
}

/// Reason why a stored domain event cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableDomainEvent {
    /// Written by a later release; left to a process of that release.
    #[error("of a kind or version newer than this release")]
    Newer,
    /// The data does not fit the kind; the domain event is parked.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// Domain event with its envelope and number, as consumers and streams see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Id, made before the transaction that recorded the domain event.
    pub id: DomainEventId,
    /// Position in the history of this database: contiguous, in commit order.
    pub seq: i64,
    /// Time at which it happened.
    pub occurred_at: Timestamp,
    /// User who caused it; `None` for the service itself.
    pub actor: Option<UserId>,
    /// Content of the domain event.
    pub domain_event: DomainEvent,
}
