//! Bookings and the waitlist: every change of an event's tickets, because all of them guard the same counters.
//! Not here: the notices and jobs that follow (`reactions`), and money.
//!
//! | action | file |
//! |---|---|
//! | place a booking | `create` through `batcher` and `order`, decided by `allocate` |
//! | cancel a booking | `cancel` |
//! | join, confirm or leave the waitlist | `waitlist` |
//! | raise or lower capacity | `capacity`; a long waitlist in chunks by `promote` |
//! | call an event off | `call_off` |
//! | end entries that can lead to nothing | `close` |
//!
//! Each of them locks the event's `stock` row in a statement of its own, then reads the rows the decision rests on, and
//! lets the pure `allocate` promote the waitlist first.

use crate::ctx::Denied;
use crate::db::{DbError, MaybeDb};
use crate::money::Money;
use crate::status::EventStatus;
use crate::text::{Invalid, Invalids};

pub mod allocate;
pub mod availability;
pub mod batcher;
pub mod call_off;
pub mod cancel;
pub mod capacity;
pub mod change_set;
pub mod chunks;
pub mod close;
pub mod create;
pub mod inventory;
pub mod list;
pub mod mine;
pub mod order;
pub mod promote;
mod rows;
pub mod serve_waitlist;
pub mod waitlist;
pub mod watch;

/// The most tickets one request can ask for.
pub const QUANTITY_MAX: i64 = 100;

/// The most items one request can have.
pub const ITEMS_MAX: usize = 20;

/// Reason a booking operation was refused. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The actor lacks permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// At least one input field is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalids),
    /// The event does not exist, or is hidden from the actor.
    #[error("there is no such event")]
    EventNotFound,
    /// The booking does not exist, or is hidden from the actor.
    #[error("there is no such booking")]
    BookingNotFound,
    /// The waitlist entry does not exist, or is hidden from the actor.
    #[error("there is no such waitlist entry")]
    EntryNotFound,
    /// The status of the event does not allow bookings.
    #[error("the event is {}, so it cannot be booked", .0.word())]
    NotOnSale(EventStatus),
    /// The event has begun or is over.
    #[error("the event has begun or is over")]
    EventOver,
    /// Fewer tickets are free than the request needs.
    #[error("{available} of the {requested} tickets asked for are free")]
    NotEnoughTickets {
        /// Tickets free for a newcomer.
        available: i64,
        /// Tickets asked for.
        requested: i64,
    },
    /// Joining the waitlist was refused, because tickets are free.
    #[error("{available} tickets are free: book them instead of waiting")]
    TicketsAvailable {
        /// Tickets free for a newcomer.
        available: i64,
    },
    /// The user is already waiting for this ticket type.
    #[error("you are already waiting for tickets of this ticket type")]
    AlreadyWaiting,
    /// The user has an open entry from the same order.
    #[error("you are waiting for {waiting} tickets of such an order already; order another number to wait for more")]
    WaitingForTheSame {
        /// Tickets the entry still waits for.
        waiting: i64,
    },
    /// The total differs from the total the customer expected.
    #[error("the tickets now cost {} {}", .total.decimal(), .total.currency.code())]
    OtherTotal {
        /// Total of the tickets now.
        total: Money,
    },
    /// The booking no longer claims tickets.
    #[error("the booking is already cancelled")]
    AlreadyCancelled,
    /// The entry is no longer waiting.
    #[error("this waitlist entry is no longer waiting")]
    NotWaiting,
    /// The new capacity is below the number of tickets taken.
    #[error("{taken} tickets are already sold or held")]
    CapacityBelowTaken {
        /// Tickets sold and held.
        taken: i64,
    },
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The batcher could not decide this request; the cause is in the log.
    #[error("the booking could not be processed")]
    Internal,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Invalid> for Error {
    fn from(only: Invalid) -> Self {
        Self::Invalid(only.into())
    }
}

impl MaybeDb for Error {
    fn db(&self) -> Option<&DbError> {
        match self {
            Self::Db(error) => Some(error),
            _ => None,
        }
    }
}
