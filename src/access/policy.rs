//! Who may do what: one pure function over actor and action.
//! Not here: loading the row an action is about; the verb does that and asks again with the owner in hand.
//!
//! The role part is asked by the guard on a GraphQL field, the ownership part by the verb inside its transaction.
//! "Not yours" and "not there" are the same answer, so that nobody learns which ids exist.

use super::{Actor, Role, Via};
use crate::id::{OrganizerId, UserId};

/// Something an actor wants to do. Variants with an owner are asked once the row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See what everybody may see.
    Browse,
    /// Anything that only needs an account.
    UseAccount,
    /// Book tickets, wait on the waitlist, see one's own bookings.
    BookTickets,
    /// Run events: create, edit, publish, call off, set capacity.
    ManageEvents,
    /// See bookings and lines of events: organizers their own, admins all.
    ReadSales,
    /// Cancel a booking: one's own, or of an event one runs.
    CancelBooking,
    /// Read one's notices.
    ReadNotices,
    /// Change one's password, end sign-ins, make tokens for programs: only a person who signed in.
    ManageAccount,
    /// Make administrators, change roles, disable accounts.
    Administer,
    /// Change an event of this organizer.
    ManageEventOf(OrganizerId),
    /// See the bookings and the line of this organizer's event.
    ReadSalesOf(OrganizerId),
    /// See all of this user's account: who one is.
    AccountOf(UserId),
    /// See or change what this customer booked or waits for.
    OwnThingOf(UserId),
    /// See this customer's booking, or place in the waitlist, at this organizer's event.
    BookingOf {
        /// Whose booking.
        customer: UserId,
        /// Whose event.
        organizer: OrganizerId,
    },
    /// Cancel this customer's booking at this organizer's event.
    CancelBookingOf {
        /// Whose booking.
        customer: UserId,
        /// Whose event.
        organizer: OrganizerId,
    },
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go ahead.
    Allow,
    /// Sign in first.
    SignIn,
    /// The role may not do this at all.
    Forbid,
    /// The role may, but not with this object: answer as if it did not exist.
    Hide,
}

/// Who may do what.
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
    // A booking is its customer's and its seller's. As which of them a program comes decides which scope it needs.
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
