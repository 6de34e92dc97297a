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
    /// Role of a user. Taken from input only at sign-up, which never accepts ADMIN.
    Role {
        /// Books tickets, joins waitlists, cancels bookings and gets notices.
        Customer = "CUSTOMER",
        /// Manages the events of an organizer.
        Organizer = "ORGANIZER",
        /// Administers the service.
        Admin = "ADMIN",
    }
}

words! {
    /// Status of an event.
    EventStatus {
        /// In preparation. Only its organizer sees it, and it may be deleted.
        Draft = "DRAFT",
        /// Visible to all; customers may book.
        Published = "PUBLISHED",
        /// Called off. It cannot be booked, and its bookings are cancelled.
        Cancelled = "CANCELLED",
        /// Over; no longer in the catalog.
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
    /// Confirmation policy of an event: the steps a booking needs to become confirmed.
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
        /// Waits for the organizer's decision; its tickets are held.
        PendingApproval = "PENDING_APPROVAL",
        /// Waits for payment; its tickets are held.
        PendingPayment = "PENDING_PAYMENT",
        /// Confirmed; its tickets are the customer's.
        Confirmed = "CONFIRMED",
        /// Cancelled by the customer or the organizer, or because the event was called off.
        Cancelled = "CANCELLED",
        /// Declined by the organizer.
        Rejected = "REJECTED",
        /// Expired, because its deadline passed.
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
    /// Reason a booking was cancelled.
    CancelReason {
        /// The customer cancelled it.
        ByCustomer = "BY_CUSTOMER",
        /// The organizer or an administrator cancelled it.
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
        /// Was given all its tickets.
        Fulfilled = "FULFILLED",
        /// The customer left the waitlist.
        Left = "LEFT",
        /// Ended, because the event began or was called off, or because the customer may not book any more.
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
    /// Rule for fewer free tickets than asked for.
    Fulfilment {
        /// Book all tickets or none.
        AllOrNothing = "ALL_OR_NOTHING",
        /// Book the free tickets and drop the rest.
        Partial = "PARTIAL",
        /// Book the free tickets and join the waitlist for the rest.
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
        /// Beginning of the event.
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
    /// Kind of a notice. New kinds may be added: show an unknown one by its text.
    NoticeKind {
        /// Your account was created.
        UserRegistered = "USER_REGISTERED",
        /// An event that you booked, or wait for, was changed.
        EventUpdated = "EVENT_UPDATED",
        /// An event that you booked, or waited for, was called off. Your bookings of it are cancelled and you no longer
        /// wait.
        EventCancelled = "EVENT_CANCELLED",
        /// A customer booked your event.
        BookingCreated = "BOOKING_CREATED",
        /// Your booking is confirmed.
        BookingConfirmed = "BOOKING_CONFIRMED",
        /// A booking of yours, or of your event, was cancelled.
        BookingCancelled = "BOOKING_CANCELLED",
        /// You are on the waitlist.
        WaitlistJoined = "WAITLIST_JOINED",
        /// You were given tickets from the waitlist, and your booking of them is confirmed.
        WaitlistPromoted = "WAITLIST_PROMOTED",
        /// You are no longer on the waitlist.
        WaitlistLeft = "WAITLIST_LEFT",
    }
}

words! {
    /// Side that a notice addresses: the same cause reads differently to each.
    Audience {
        /// Customer concerned.
        Customer = "CUSTOMER",
        /// Users who act for the organizer concerned.
        Organizer = "ORGANIZER",
    }
}
