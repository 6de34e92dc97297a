//! Who is acting: the actor of a request.
//! Not here: what they may do (`policy`), and how a token becomes an actor (`account::session`).

use crate::clock::Timestamp;
use crate::id::{ApiTokenId, OrganizerId, SessionId, UserId};

mod lease;
mod peer;
pub mod policy;
mod scope;

pub use crate::status::Role;
pub use lease::Lease;
pub use peer::Peer;
pub use policy::{Action, Decision, decide};
pub use scope::{Scope, Scopes};

/// A signed-in user as the database saw them when the request began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub user: UserId,
    /// As what; from the database, not from the token.
    pub role: Role,
    /// For which organizer they act, if for any.
    pub organizer: Option<OrganizerId>,
    /// How they proved it.
    pub via: Via,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// How a user proved to be this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A sign-in with a password; may do all the user may.
    Session(SessionId),
    /// A program with a token; may do what its scopes allow of that.
    ApiToken(ApiTokenId, Scopes),
}

/// Who is acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody signed in.
    Anonymous,
    /// A signed-in user.
    User(SignedIn),
    /// The service itself: jobs, sweeps, the command line.
    System,
}

impl Actor {
    /// The signed-in user, if there is one.
    pub fn signed_in(&self) -> Option<&SignedIn> {
        match self {
            Self::User(user) => Some(user),
            Self::Anonymous | Self::System => None,
        }
    }

    /// The user's id, if there is one; what domain events record as the cause.
    pub fn user_id(&self) -> Option<UserId> {
        self.signed_in().map(|user| user.user)
    }

    /// The sign-in, if a person signed in with one.
    pub fn session(&self) -> Option<SessionId> {
        match self.signed_in()?.via {
            Via::Session(session) => Some(session),
            Via::ApiToken(..) => None,
        }
    }

    /// Whether the actor acts for `organizer`. Only the policy asks: what they may do depends on how they proved it, too.
    fn acts_for(&self, organizer: OrganizerId) -> bool {
        match self {
            Self::System => true,
            Self::User(user) => {
                user.role == Role::Admin || (user.role == Role::Organizer && user.organizer == Some(organizer))
            }
            Self::Anonymous => false,
        }
    }
}
