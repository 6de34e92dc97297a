//! Scopes: actions that a client program may do for its user.
//! Not here: the permissions of the user (`policy`). A token can never do more than its user.

use super::Action;

/// A group of actions that a token may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Book tickets, join the waitlist, see and cancel the user's own bookings.
    Book,
    /// Create, edit, publish and call off the organizer's events, and cancel bookings of them.
    ManageEvents,
    /// See bookings, participants and waitlists of the organizer's events.
    ReadSales,
    /// Read the user's notices; the objects they name need the scope that shows them.
    ReadNotices,
}

impl Scope {
    /// All scopes of this release.
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
    /// Returns the set of these scopes.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Reads a set from its stored form. Bits of later releases are kept and allow nothing here.
    pub fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// Returns the stored form of the set.
    pub fn bits(self) -> i64 {
        self.0
    }

    /// Returns true if the set contains this scope.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Returns true if a scope of the set covers an action. Every token may read the identity of its user; no scope
    /// covers changes of the account, the members of an organizer, or administration. Each action lists the scopes it
    /// needs, whatever the user's role. An action with a different meaning for customer and organizer is decided by the
    /// policy in parts.
    pub fn cover(self, action: Action) -> bool {
        let any = |scopes: &[Scope]| scopes.iter().any(|scope| self.has(*scope));
        match action {
            Action::Browse => true,
            Action::UseAccount | Action::AccountOf(_) => any(&Scope::ALL),
            Action::ReadNotices => any(&[Scope::ReadNotices]),
            Action::BookTickets | Action::OwnThingOf(_) => any(&[Scope::Book]),
            Action::ManageEvents | Action::ManageEventOf(_) => any(&[Scope::ManageEvents]),
            Action::ReadSales | Action::ReadSalesOf(_) => any(&[Scope::ReadSales]),
            Action::SeeEventsOf(_) => any(&[Scope::ManageEvents, Scope::ReadSales]),
            Action::CancelBooking => any(&[Scope::Book, Scope::ManageEvents]),
            Action::BookingOf { .. } | Action::CancelBookingOf { .. } => false, // decided in parts
            Action::ManageAccount | Action::Administer => false,
            Action::ManageMembers | Action::AnswerInvitations => false,
            Action::SeeMembersOf(_) | Action::ManageMembersOf(_) | Action::EndMembershipOf { .. } => false,
        }
    }
}
