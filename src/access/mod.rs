//! Actor of a request, and the policy for its actions.
//! Not here: the recognition of an actor by its token (`account::session`).

use crate::clock::Timestamp;
use crate::id::{ApiTokenId, OrganizerId, SessionId, UserId};

mod lease;
mod memberships;
mod peer;
pub mod policy;
mod scope;

pub use crate::status::{MemberRole, Role};
pub use lease::Lease;
pub use memberships::Memberships;
pub use peer::Peer;
pub use policy::{Action, Decision, decide};
pub use scope::{Scope, Scopes};

/// A signed-in user as the database saw them when the request began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// Id of the user.
    pub user: UserId,
    /// Role of the user; from the database, not from the token.
    pub role: Role,
    /// Organizers the user acts for, with a role for each.
    pub memberships: Memberships,
    /// Proof of identity.
    pub via: Via,
    /// Time at which the token expires.
    pub expires_at: Timestamp,
}

/// Proof of identity of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A session opened with a password; allows everything the user may do.
    Session(SessionId),
    /// A client program with an API token; allows only the part that its scopes cover.
    ApiToken(ApiTokenId, Scopes),
}

/// Origin of a request's actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "copied a few times per request; most requests have a user")]
pub enum Actor {
    /// A viewer who is not signed in.
    Anonymous,
    /// A signed-in user.
    User(SignedIn),
    /// The service itself: jobs, sweeps, the command line.
    System,
}

impl Actor {
    /// Returns the signed-in user, if there is one.
    pub fn signed_in(&self) -> Option<&SignedIn> {
        match self {
            Self::User(user) => Some(user),
            Self::Anonymous | Self::System => None,
        }
    }

    /// Returns the id of the signed-in user, if there is one. Domain events record it as the cause.
    pub fn user_id(&self) -> Option<UserId> {
        self.signed_in().map(|user| user.user)
    }

    /// Returns the session, if the user signed in with one.
    pub fn session(&self) -> Option<SessionId> {
        match self.signed_in()?.via {
            Via::Session(session) => Some(session),
            Via::ApiToken(..) => None,
        }
    }

    /// Returns the organizers for which the actor may do an action, in the order of its memberships; none for an actor
    /// without memberships, such as an administrator.
    pub fn organizers(&self, action: impl Fn(OrganizerId) -> Action) -> Vec<OrganizerId> {
        let Some(user) = self.signed_in().filter(|user| user.role == Role::Organizer) else { return Vec::new() };
        let all = user.memberships.iter().map(|(organizer, _)| organizer);
        all.filter(|organizer| decide(self, action(*organizer)) == Decision::Allow).collect()
    }
}
