//! Context of a verb: the actor, the database, the clock and the random source.
//! Not here: anything a verb may not use inside a transaction (mail, network, hashing), and anything of GraphQL.

use crate::access::{Action, Actor, Decision, Lease, Peer, decide};
use crate::clock::{Clock, Timestamp};
use crate::db::Db;
use crate::id::{RandomSource, UserId};

/// First parameter of every verb.
#[derive(Clone)]
pub struct Ctx {
    /// Actor of the verb.
    pub actor: Actor,
    /// Client address of the request; `None` for the service itself.
    pub peer: Option<Peer>,
    /// Time for which the connection may act; `None` for as long as the actor's token is valid.
    pub lease: Option<Lease>,
    /// Handle of the database.
    pub db: Db,
    /// Source of the present instant.
    pub clock: Clock,
    /// Source of ids, references and jitter.
    pub random: RandomSource,
}

/// Reason why an actor may not perform an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The caller is not signed in.
    #[error("sign in first")]
    SignIn,
    /// The role of the actor does not allow the action.
    #[error("your role may not do this")]
    Role,
    /// The object is hidden from the actor: the answer is the same as if it did not exist.
    #[error("not found")]
    Hidden,
}

impl Ctx {
    /// Returns the context with another actor.
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { actor, ..self.clone() }
    }

    /// Returns the actor with the newest token of the connection.
    pub fn actor_now(&self) -> Actor {
        self.lease.as_ref().map_or(self.actor, |lease| lease.renewed(self.actor))
    }

    /// Returns the present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a new id.
    pub fn id<T: From<uuid::Uuid>>(&self) -> T {
        self.random.id(self.clock.now())
    }

    /// Returns the signed-in user.
    pub fn user(&self) -> Result<UserId, Denied> {
        self.actor.user_id().ok_or(Denied::SignIn)
    }

    /// Checks the access policy for an action on an object. The answer is `not_found` if the object is hidden from the
    /// actor.
    pub fn require<E: From<Denied>>(&self, action: Action, not_found: E) -> Result<(), E> {
        self.allow(action).map_err(|denied| if denied == Denied::Hidden { not_found } else { denied.into() })
    }

    /// Checks the access policy for an action.
    pub fn allow(&self, action: Action) -> Result<(), Denied> {
        match decide(&self.actor, action) {
            Decision::Allow => Ok(()),
            Decision::SignIn => Err(Denied::SignIn),
            Decision::Forbid => Err(Denied::Role),
            Decision::Hide => Err(Denied::Hidden),
        }
    }
}
