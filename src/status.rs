//! Status types, each with the table of its allowed transitions, and small closed sets of words.
//! Not here: the operations that make the transitions, and the rights of a role (`access`).
//!
//! The database's CHECKs, the GraphQL enums and the domain events use the same words; a test compares the first two.

use async_graphql::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

/// Declares a closed set of words that is stored as text, sent as a GraphQL enum and serialised as the same words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumIter, DeriveActiveEnum, Enum)]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $($(#[$vdoc])* #[sea_orm(string_value = $word)] #[serde(rename = $word)] #[graphql(name = $word)] $variant,)*
        }

        impl $name {
            /// All words, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the value of a stored word; `None` for a word of another release.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }

            /// Returns the word as it is stored and sent.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// Role of a user. A user chooses CUSTOMER or ORGANIZER at sign-up; administrators change roles with `setUserRole`.
    Role {
        /// Books tickets, joins waitlists, cancels own bookings and gets notices.
        Customer = "CUSTOMER",
        /// Manages the events of an organizer.
        Organizer = "ORGANIZER",
        /// Administers the service.
        Admin = "ADMIN",
    }
}

words! {
    /// Role of a user in the team of one organizer.
    MemberRole {
        /// Manages the organizer's events, sees its sales, and manages its members.
        Owner = "OWNER",
        /// Manages the organizer's events, and sees its sales and its members.
        Manager = "MANAGER",
        /// Sees the organizer's events, drafts included, and their sales with the customers; changes nothing.
        DoorStaff = "DOOR_STAFF",
        /// Sees the organizer's events, drafts included, and their numbers of tickets; no customers.
        Viewer = "VIEWER",
    }
}

words! {
    /// Status of an invitation to an organizer's team.
    InvitationStatus {
        /// Can be accepted until it expires.
        Pending = "PENDING",
        /// The invited account became a member.
        Accepted = "ACCEPTED",
        /// The invited account declined.
        Declined = "DECLINED",
        /// An owner of the organizer took it back.
        Revoked = "REVOKED",
    }
}

impl InvitationStatus {
    /// Returns true if an invitation may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use InvitationStatus::{Accepted, Declined, Pending, Revoked};
        matches!((self, next), (Pending, Accepted | Declined | Revoked))
    }
}

words! {
    /// Status of an event.
    EventStatus {
        /// In preparation: visible to its ORGANIZER and to ADMIN only. It may be deleted.
        Draft = "DRAFT",
        /// Visible to all; customers may book until it begins.
        Published = "PUBLISHED",
        /// Called off. It cannot be booked, and its bookings are cancelled.
        Cancelled = "CANCELLED",
        /// Archived after its end; no longer in the catalog.
        Archived = "ARCHIVED",
    }
}

impl EventStatus {
    /// Returns true if an event may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use EventStatus::{Archived, Cancelled, Draft, Published};
        matches!((self, next), (Draft, Published) | (Published, Cancelled | Archived))
    }
}

words! {
    /// Confirmation policy of an event: the steps by which a booking becomes confirmed. In this release all events have
    /// AUTO.
    Confirmation {
        /// Confirmed at once.
        Auto = "AUTO",
        /// Confirmed when the organizer accepts the booking.
        Approval = "APPROVAL",
        /// Confirmed when the booking is paid.
        Payment = "PAYMENT",
        /// Confirmed when the booking was accepted and then paid.
        ApprovalThenPayment = "APPROVAL_THEN_PAYMENT",
    }
}

words! {
    /// Status of a booking.
    BookingStatus {
        /// Waits for the organizer's decision; its tickets are held. Not used under AUTO.
        PendingApproval = "PENDING_APPROVAL",
        /// Waits for payment; its tickets are held. Not used under AUTO.
        PendingPayment = "PENDING_PAYMENT",
        /// Confirmed: its tickets belong to the customer.
        Confirmed = "CONFIRMED",
        /// Cancelled by the customer, the organizer or an administrator, or because the event was called off.
        Cancelled = "CANCELLED",
        /// Declined by the organizer. Not used under AUTO.
        Rejected = "REJECTED",
        /// Expired, because it was not accepted or paid in time. Not used under AUTO.
        Expired = "EXPIRED",
    }
}

impl BookingStatus {
    /// Returns true if a booking may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use BookingStatus::{Cancelled, Confirmed, Expired, PendingApproval, PendingPayment, Rejected};
        matches!(
            (self, next),
            (PendingApproval, PendingPayment | Confirmed | Rejected | Cancelled | Expired)
                | (PendingPayment, Confirmed | Cancelled | Expired)
                | (Confirmed, Cancelled)
        )
    }

    /// Returns true if the booking still claims tickets.
    pub fn is_live(self) -> bool {
        matches!(self, Self::PendingApproval | Self::PendingPayment | Self::Confirmed)
    }
}

words! {
    /// Reason for the cancellation of a booking.
    CancelReason {
        /// The customer cancelled the booking.
        ByCustomer = "BY_CUSTOMER",
        /// The organizer or an administrator cancelled the booking.
        ByOrganizer = "BY_ORGANIZER",
        /// The event was called off.
        EventCancelled = "EVENT_CANCELLED",
    }
}

words! {
    /// Status of a waitlist entry.
    WaitlistStatus {
        /// Still on the waitlist.
        Waiting = "WAITING",
        /// Fulfilled: the entry was given all its tickets.
        Fulfilled = "FULFILLED",
        /// The customer left the waitlist.
        Left = "LEFT",
        /// Closed, because the event began or was called off, or because the customer may not book any more.
        Closed = "CLOSED",
    }
}

impl WaitlistStatus {
    /// Returns true if an entry may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        matches!((self, next), (Self::Waiting, Self::Fulfilled | Self::Left | Self::Closed))
    }
}

words! {
    /// Action to take when fewer tickets are available than asked for.
    Fulfilment {
        /// Books all tickets or refuses the request.
        AllOrNothing = "ALL_OR_NOTHING",
        /// Books the available tickets and drops the rest; refuses the request when none is available.
        Partial = "PARTIAL",
        /// Books the available tickets and joins the waitlist for the rest.
        PartialAndWaitlist = "PARTIAL_AND_WAITLIST",
    }
}

words! {
    /// Field of an event that an update can change.
    EventField {
        /// Title of the event.
        Title = "TITLE",
        /// Description of the event.
        Description = "DESCRIPTION",
        /// Venue of the event.
        Venue = "VENUE",
        /// Time zone of the event.
        TimeZone = "TIME_ZONE",
        /// Start of the event.
        StartsAt = "STARTS_AT",
        /// End of the event.
        EndsAt = "ENDS_AT",
        /// Price of a ticket, for bookings from now on.
        Price = "PRICE",
    }
}

words! {
    /// Reason an entry left the waitlist without all its tickets.
    LeaveReason {
        /// The customer left.
        Left = "LEFT",
        /// The waitlist was closed, because the event was called off.
        EventCancelled = "EVENT_CANCELLED",
        /// The waitlist was closed, because the event began.
        EventOver = "EVENT_OVER",
        /// The account may not book any more.
        AccountClosed = "ACCOUNT_CLOSED",
    }
}

words! {
    /// Kind of a notice. New kinds may be added: show the `text` of a notice of an unknown kind.
    NoticeKind {
        /// Your account was created.
        UserRegistered = "USER_REGISTERED",
        /// An event that you booked, or wait for, was changed.
        EventUpdated = "EVENT_UPDATED",
        /// An event that you booked, or waited for, was called off. Your bookings of it are cancelled, and your
        /// waitlist entries are closed.
        EventCancelled = "EVENT_CANCELLED",
        /// A customer booked your event.
        BookingCreated = "BOOKING_CREATED",
        /// Your booking is confirmed.
        BookingConfirmed = "BOOKING_CONFIRMED",
        /// Your booking, or a booking of your event, was cancelled.
        BookingCancelled = "BOOKING_CANCELLED",
        /// You joined the waitlist of an event.
        WaitlistJoined = "WAITLIST_JOINED",
        /// You were given tickets from the waitlist, and your booking of them is confirmed.
        WaitlistPromoted = "WAITLIST_PROMOTED",
        /// You left the waitlist, or your entry was closed before it had all its tickets.
        WaitlistLeft = "WAITLIST_LEFT",
    }
}

words! {
    /// Side that a notice addresses: the same cause reads differently to each.
    Audience {
        /// Customer of the booking, entry or event concerned.
        Customer = "CUSTOMER",
        /// Users who act for the organizer concerned.
        Organizer = "ORGANIZER",
    }
}
