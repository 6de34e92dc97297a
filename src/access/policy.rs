//! Permissions: one pure function of actor and action.
//! Not here: loading the row an action is about; the verb does that and asks again with the owner known.
//!
//! The guard of a GraphQL field asks for the role, the verb asks for the ownership inside its transaction. "Not yours"
//! and "not there" get the same answer, so that a caller cannot find out which ids exist.

use super::{Actor, Role, Via};
use crate::id::{OrganizerId, UserId};

/// An action that needs a decision. Variants with an owner are decided once the row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See what is public.
    Browse,
    /// Do anything that only needs an account.
    UseAccount,
    /// Book tickets, join the waitlist, see one's own bookings.
    BookTickets,
    /// Manage events: create, edit, publish, call off, set capacity.
    ManageEvents,
    /// See bookings and waitlists of events: organizers of their own, administrators of all.
    ReadSales,
    /// Cancel a booking: one's own, or one of an event one manages.
    CancelBooking,
    /// Read one's own notices.
    ReadNotices,
    /// Change one's password, end one's sessions, create API tokens: only with a session, never with an API token.
    ManageAccount,
    /// Create administrators, change roles, disable accounts.
    Administer,
    /// Change an event of this organizer.
    ManageEventOf(OrganizerId),
    /// See the bookings and the waitlist of an event of this organizer.
    ReadSalesOf(OrganizerId),
    /// See the full account of this user.
    AccountOf(UserId),
    /// See or change bookings and waitlist entries of this customer.
    OwnThingOf(UserId),
    /// See this customer's booking or waitlist entry at an event of this organizer.
    BookingOf {
        /// Customer of the booking or entry.
        customer: UserId,
        /// Organizer of the event.
        organizer: OrganizerId,
    },
    /// Cancel this customer's booking at an event of this organizer.
    CancelBookingOf {
        /// Customer of the booking.
        customer: UserId,
        /// Organizer of the event.
        organizer: OrganizerId,
    },
}

/// Decision on an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The action is allowed.
    Allow,
    /// The viewer has to sign in first.
    SignIn,
    /// The role may not do this at all.
    Forbid,
    /// The role may do this, but not with this object: the answer is as if it did not exist.
    Hide,
}

/// Decides whether an actor may do an action.
pub fn decide(actor: &Actor, action: Action) -> Decision {
    use Decision::{Allow, Forbid, Hide, SignIn};
    if *actor == Actor::System || action == Action::Browse {
        return Allow;
    }
    let Some(user) = actor.signed_in() else { return SignIn };
    let covered = match user.via {
        Via::Session(_) => true,
        Via::ApiToken(_, scopes) => scopes.cover(action),
    };
    let allow_or = |yes: bool, no: Decision| if yes { Allow } else { no };
    // A booking belongs to its customer and to the organizer. A client program needs the scope of the side on which its
    // user stands.
    let either = |customer, seller| allow_or(decide(actor, customer) == Allow || decide(actor, seller) == Allow, Hide);
    match action {
        Action::BookingOf { customer, organizer } => {
            either(Action::OwnThingOf(customer), Action::ReadSalesOf(organizer))
        }
        Action::CancelBookingOf { customer, organizer } => {
            either(Action::OwnThingOf(customer), Action::ManageEventOf(organizer))
        }
        _ if !covered => Forbid,
        Action::Browse | Action::UseAccount | Action::ReadNotices | Action::ManageAccount => Allow,
        Action::BookTickets => allow_or(user.role == Role::Customer, Forbid),
        Action::ManageEvents => allow_or(user.role == Role::Organizer || user.role == Role::Admin, Forbid),
        Action::ReadSales => allow_or(user.role != Role::Customer, Forbid),
        Action::CancelBooking => Allow,
        Action::Administer => allow_or(user.role == Role::Admin, Forbid),
        Action::ManageEventOf(organizer) | Action::ReadSalesOf(organizer) => match user.role {
            Role::Customer => Forbid,
            Role::Organizer | Role::Admin => allow_or(actor.acts_for(organizer), Hide),
        },
        Action::AccountOf(owner) | Action::OwnThingOf(owner) => allow_or(user.user == owner, Hide),
    }
}
