//! The status machines: each status type with the table of its allowed transitions, and small closed choices.
//! Not here: the verbs that make the transitions, and what a role may do (`access`).
//!
//! The same words stand in the database's CHECKs, in the GraphQL enums and in domain events; a test compares the first two.

use async_graphql::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

/// Declares a closed set of words that is stored as text, sent as a GraphQL enum and serialised alike.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumIter, DeriveActiveEnum, Enum)]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $($(#[$vdoc])* #[sea_orm(string_value = $word)] #[serde(rename = $word)] #[graphql(name = $word)] $variant,)*
        }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word as it is stored and sent.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What kind of account a user has. Never taken from input but at sign-up, and there never ADMIN.
    Role {
        /// Books, waits, cancels, gets notices.
        Customer = "CUSTOMER",
        /// Runs the events of an organizer.
        Organizer = "ORGANIZER",
        /// Runs the service.
        Admin = "ADMIN",
    }
}

words! {
    /// Where an event stands in its life.
    EventStatus {
        /// Being prepared; only its organizer sees it, and it may be deleted.
        Draft = "DRAFT",
        /// Everybody sees it and customers may book.
        Published = "PUBLISHED",
        /// Called off: nobody may book, bookings are cancelled.
        Cancelled = "CANCELLED",
        /// Over.
        Archived = "ARCHIVED",
    }
}

impl EventStatus {
    /// Whether an event may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use EventStatus::{Archived, Cancelled, Draft, Published};
        matches!((self, next), (Draft, Published) | (Published, Cancelled | Archived))
    }
}

words! {
    /// How a booking of an event becomes confirmed.
    Confirmation {
        /// At once.
        Auto = "AUTO",
        /// When the organizer accepts it.
        Approval = "APPROVAL",
        /// When it is paid.
        Payment = "PAYMENT",
        /// When it was accepted and then paid.
        ApprovalThenPayment = "APPROVAL_THEN_PAYMENT",
    }
}

words! {
    /// Where a booking stands in its life.
    BookingStatus {
        /// Waits for the organizer's decision; its tickets are held.
        PendingApproval = "PENDING_APPROVAL",
        /// Waits for payment; its tickets are held.
        PendingPayment = "PENDING_PAYMENT",
        /// The tickets are the customer's.
        Confirmed = "CONFIRMED",
        /// Given back by the customer, the organizer, or because the event was called off.
        Cancelled = "CANCELLED",
        /// Declined by the organizer.
        Rejected = "REJECTED",
        /// Its deadline passed.
        Expired = "EXPIRED",
    }
}

impl BookingStatus {
    /// Whether a booking may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use BookingStatus::{Cancelled, Confirmed, Expired, PendingApproval, PendingPayment, Rejected};
        matches!(
            (self, next),
            (PendingApproval, PendingPayment | Confirmed | Rejected | Cancelled | Expired)
                | (PendingPayment, Confirmed | Cancelled | Expired)
                | (Confirmed, Cancelled)
        )
    }

    /// Whether the booking still claims tickets.
    pub fn is_live(self) -> bool {
        matches!(self, Self::PendingApproval | Self::PendingPayment | Self::Confirmed)
    }
}

words! {
    /// Why a booking was cancelled.
    CancelReason {
        /// The customer gave it back.
        ByCustomer = "BY_CUSTOMER",
        /// The organizer or an admin cancelled it.
        ByOrganizer = "BY_ORGANIZER",
        /// The event was called off.
        EventCancelled = "EVENT_CANCELLED",
    }
}

words! {
    /// Where a waitlist entry stands.
    WaitlistStatus {
        /// In the waitlist.
        Waiting = "WAITING",
        /// Got everything it waited for.
        Fulfilled = "FULFILLED",
        /// The customer left the waitlist.
        Left = "LEFT",
        /// It ended, because the event began or was called off, or because the customer may not book any more.
        Closed = "CLOSED",
    }
}

impl WaitlistStatus {
    /// Whether an entry may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        matches!((self, next), (Self::Waiting, Self::Fulfilled | Self::Left | Self::Closed))
    }
}

words! {
    /// What to do when fewer tickets are free than were asked for.
    Fulfilment {
        /// Book everything or nothing.
        AllOrNothing = "ALL_OR_NOTHING",
        /// Book what is free and forget the rest.
        Partial = "PARTIAL",
        /// Book what is free and wait on the waitlist for the rest.
        PartialAndWaitlist = "PARTIAL_AND_WAITLIST",
    }
}

words! {
    /// What of an event an update can change.
    EventField {
        /// Its title.
        Title = "TITLE",
        /// Its description.
        Description = "DESCRIPTION",
        /// Where it takes place.
        Venue = "VENUE",
        /// Its time zone.
        TimeZone = "TIME_ZONE",
        /// When it begins.
        StartsAt = "STARTS_AT",
        /// When it ends.
        EndsAt = "ENDS_AT",
        /// What a ticket costs from now on.
        Price = "PRICE",
    }
}

words! {
    /// Why somebody is no longer in a waitlist.
    LeaveReason {
        /// They left.
        Left = "LEFT",
        /// The waitlist was closed, because the event was called off.
        EventCancelled = "EVENT_CANCELLED",
        /// The waitlist was closed, because the event began.
        EventOver = "EVENT_OVER",
        /// The account may not book any more.
        AccountClosed = "ACCOUNT_CLOSED",
    }
}
