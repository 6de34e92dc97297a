//! What a program may do in its user's name.
//! Not here: what the user may do (`policy`); a program never may more than that.

use super::Action;

/// One kind of thing a program may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Book tickets, wait on the waitlist, see and cancel the user's own bookings.
    Book,
    /// Create, edit, publish and call off the organizer's events, and cancel bookings of them.
    ManageEvents,
    /// See bookings, participants and lines of the organizer's events.
    ReadSales,
    /// Read the user's notices; what they are about needs the scope that shows it.
    ReadNotices,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Book, Self::ManageEvents, Self::ReadSales, Self::ReadNotices];

    fn bit(self) -> i64 {
        match self {
            Self::Book => 1,
            Self::ManageEvents => 2,
            Self::ReadSales => 4,
            Self::ReadNotices => 8,
        }
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(i64);

impl Scopes {
    /// These scopes.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// As stored; bits of later releases are kept and allow nothing here.
    pub fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// To be stored.
    pub fn bits(self) -> i64 {
        self.0
    }

    /// Whether this one is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether any of them covers an action. Who its user is, every program may know; changing accounts and
    /// administration are covered by none. Each action stands under the scopes it needs, whoever is asking: one that means
    /// different things to different people is put to the policy in parts.
    pub fn cover(self, action: Action) -> bool {
        let any = |scopes: &[Scope]| scopes.iter().any(|scope| self.has(*scope));
        match action {
            Action::Browse => true,
            Action::UseAccount | Action::AccountOf(_) => any(&Scope::ALL),
            Action::ReadNotices => any(&[Scope::ReadNotices]),
            Action::BookTickets | Action::OwnThingOf(_) => any(&[Scope::Book]),
            Action::ManageEvents | Action::ManageEventOf(_) => any(&[Scope::ManageEvents]),
            Action::ReadSales | Action::ReadSalesOf(_) => any(&[Scope::ReadSales]),
            Action::CancelBooking => any(&[Scope::Book, Scope::ManageEvents]),
            Action::BookingOf { .. } | Action::CancelBookingOf { .. } => false, // asked in parts
            Action::ManageAccount | Action::Administer => false,
        }
    }
}
