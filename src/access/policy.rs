//! Permissions: one pure function of actor and action.
//! Not here: loading the row an action is about; the verb does that and asks again with the owner known.
//!
//! The guard of a GraphQL field asks for the role, the verb asks for the ownership inside its transaction. "Not yours"
//! and "not there" get the same answer, so that a caller cannot find out which ids exist.
//!
//! An ORGANIZER account acts for organizers through memberships. Actions of each role in a team:
//!
//! | action                                    | OWNER | MANAGER | DOOR_STAFF | VIEWER |
//! |-------------------------------------------|-------|---------|------------|--------|
//! | see events, drafts included               | yes   | yes     | yes        | yes    |
//! | see bookings, participants and waitlists  | yes   | yes     | yes        | no     |
//! | manage events, cancel bookings            | yes   | yes     | no         | no     |
//! | see members and invitations               | yes   | yes     | no         | no     |
//! | invite, change and remove members         | yes   | no      | no         | no     |

use super::{Actor, MemberRole, Role, SignedIn, Via};
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
    /// See, invite, change and remove members of organizers: only with a session, never with an API token.
    ManageMembers,
    /// See, accept and decline one's own invitations to organizers: only with a session, never with an API token.
    AnswerInvitations,
    /// See the events of this organizer, drafts included.
    SeeEventsOf(OrganizerId),
    /// Change an event of this organizer.
    ManageEventOf(OrganizerId),
    /// See the bookings and the waitlist of an event of this organizer.
    ReadSalesOf(OrganizerId),
    /// See the members of this organizer and its open invitations.
    SeeMembersOf(OrganizerId),
    /// Invite, change and remove members of this organizer.
    ManageMembersOf(OrganizerId),
    /// End the membership of this user in the team of this organizer.
    EndMembershipOf {
        /// User whose membership ends.
        member: UserId,
        /// Organizer that the user acts for.
        organizer: OrganizerId,
    },
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
            match either(Action::OwnThingOf(customer), Action::ManageEventOf(organizer)) {
                // A member who sees the booking learns that it takes another role to cancel it.
                Hide if is_only_reader(user, organizer) && decide(actor, Action::ReadSalesOf(organizer)) == Allow => {
                    Forbid
                }
                decision => decision,
            }
        }
        _ if !covered => Forbid,
        Action::Browse | Action::UseAccount | Action::ReadNotices | Action::ManageAccount => Allow,
        Action::BookTickets => allow_or(user.role == Role::Customer, Forbid),
        Action::ManageEvents | Action::ReadSales | Action::ManageMembers => {
            allow_or(user.role == Role::Organizer || user.role == Role::Admin, Forbid)
        }
        Action::AnswerInvitations => allow_or(user.role == Role::Organizer, Forbid),
        Action::CancelBooking => Allow,
        Action::Administer => allow_or(user.role == Role::Admin, Forbid),
        Action::SeeEventsOf(organizer) => in_team(user, organizer, MemberRole::ALL),
        Action::ReadSalesOf(organizer) => in_team(user, organizer, READ_SALES),
        Action::ManageEventOf(organizer) | Action::SeeMembersOf(organizer) => in_team(user, organizer, MANAGE),
        Action::ManageMembersOf(organizer) => in_team(user, organizer, OWN),
        Action::EndMembershipOf { member, organizer } => {
            let leaves = user.user == member && user.role == Role::Organizer;
            in_team(user, organizer, if leaves { MemberRole::ALL } else { OWN })
        }
        Action::AccountOf(owner) | Action::OwnThingOf(owner) => allow_or(user.user == owner, Hide),
    }
}

/// Roles that see the bookings, participants and waitlists of an organizer's events.
const READ_SALES: &[MemberRole] = &[MemberRole::Owner, MemberRole::Manager, MemberRole::DoorStaff];

/// Roles that manage the events of an organizer.
const MANAGE: &[MemberRole] = &[MemberRole::Owner, MemberRole::Manager];

/// Roles that manage the members of an organizer.
const OWN: &[MemberRole] = &[MemberRole::Owner];

/// Returns the role of a user in the team of an organizer. An administrator counts as an owner of every organizer.
fn role_in(user: &SignedIn, organizer: OrganizerId) -> Option<MemberRole> {
    match user.role {
        Role::Customer => None,
        Role::Organizer => user.memberships.role_in(organizer),
        Role::Admin => Some(MemberRole::Owner),
    }
}

/// Decides an action of an organizer's team that these roles may do.
fn in_team(user: &SignedIn, organizer: OrganizerId, roles: &[MemberRole]) -> Decision {
    match role_in(user, organizer) {
        _ if user.role == Role::Customer => Decision::Forbid,
        None => Decision::Hide,
        Some(role) if roles.contains(&role) => Decision::Allow,
        Some(_) => Decision::Forbid,
    }
}

/// Returns true if the role in the team of an organizer sees bookings and changes none.
fn is_only_reader(user: &SignedIn, organizer: OrganizerId) -> bool {
    role_in(user, organizer).is_some_and(|role| READ_SALES.contains(&role) && !MANAGE.contains(&role))
}
