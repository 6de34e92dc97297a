//! Bookings and the waitlist: everything that moves tickets of an event, because all of it guards the same counters.
//! Not here: who hears of it (`reactions`), and money.
//!
//! | verb | file |
//! |---|---|
//! | place a booking | `place` through `batcher`, decided by `allocate` |
//! | cancel a booking | `cancel` |
//! | join, confirm or leave the waitlist | `waitlist` |
//! | raise or lower capacity | `capacity`, a long line in chunks by `promote` |
//! | call an event off | `call_off` |
//! | end entries that can lead to nothing | `close` |
//!
//! Each of them locks the event's `stock` row in a statement of its own, reads what it decides on afterwards, and lets
//! the pure `allocate` serve the waitlist first.

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
pub mod inventory;
pub mod list;
pub mod mine;
pub mod place;
pub mod promote;
mod rows;
pub mod waitlist;
pub mod watch;

/// The most tickets one request can ask for.
pub const PLACES_MAX: i64 = 100;

/// The most lines one request can have.
pub const ITEMS_MAX: usize = 20;

/// Why a booking verb refused. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Input fields are wrong, one at least.
    #[error(transparent)]
    Invalid(#[from] Invalids),
    /// No such event, as far as the actor may know.
    #[error("there is no such event")]
    EventNotFound,
    /// No such booking, as far as the actor may know.
    #[error("there is no such booking")]
    BookingNotFound,
    /// No such place in the waitlist, as far as the actor may know.
    #[error("there is no such waitlist entry")]
    EntryNotFound,
    /// The event cannot be booked in its status.
    #[error("the event is {}, so it cannot be booked", .0.word())]
    NotOnSale(EventStatus),
    /// The event has begun or is over.
    #[error("the event has begun or is over")]
    EventOver,
    /// Fewer tickets are free than the request needs.
    #[error("{available} of the {requested} tickets asked for are free")]
    NotEnoughTickets {
        /// Free for a newcomer.
        available: i64,
        /// Asked for.
        requested: i64,
    },
    /// Nobody needs to wait.
    #[error("{available} tickets are free: book them instead of waiting")]
    TicketsAvailable {
        /// Free for a newcomer.
        available: i64,
    },
    /// The user waits for this ticket type of place already.
    #[error("you are already waiting for tickets of this ticket_type")]
    AlreadyWaiting,
    /// An open entry of the user came from the same order.
    #[error("you are waiting for {waiting} tickets of such an order already; order another number to wait for more")]
    WaitingForTheSame {
        /// Tickets the entry still wants.
        waiting: i64,
    },
    /// The tickets cost something else than was expected.
    #[error("the tickets now cost {} {}", .total.decimal(), .total.currency.code())]
    OtherTotal {
        /// What they cost.
        total: Money,
    },
    /// The booking no longer claims tickets.
    #[error("the booking is already cancelled")]
    AlreadyCancelled,
    /// The user is not in this line any more.
    #[error("you are not waiting in this line")]
    NotWaiting,
    /// Fewer tickets than are taken.
    #[error("{taken} tickets are already sold or held")]
    CapacityBelowTaken {
        /// Sold and held.
        taken: i64,
    },
    /// The key belongs to another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The batcher gave up on this request; its cause is in the log.
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
