//! Who is acting: the actor of a request.
//! Not here: what they may do (`policy`), and how a token becomes an actor (`account::session`).

use crate::clock::Micros;
use crate::id::{OrganizerId, SessionId, UserId};

pub mod policy;

pub use crate::status::Role;
pub use policy::{Action, Decision, decide};

/// A signed-in user as the database saw them when the request began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub user: UserId,
    /// As what; from the database, not from the token.
    pub role: Role,
    /// For which organizer they act, if for any.
    pub organizer: Option<OrganizerId>,
    /// Through which sign-in.
    pub session: SessionId,
    /// When the token ends.
    pub expires_at: Micros,
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

    /// The user's id, if there is one; what facts record as the cause.
    pub fn user_id(&self) -> Option<UserId> {
        self.signed_in().map(|user| user.user)
    }

    /// Whether the actor may see and do what belongs to `organizer`.
    pub fn acts_for(&self, organizer: OrganizerId) -> bool {
        match self {
            Self::System => true,
            Self::User(user) => {
                user.role == Role::Admin || (user.role == Role::Organizer && user.organizer == Some(organizer))
            }
            Self::Anonymous => false,
        }
    }
}
