//! The context of a verb: who acts, on which database, at what time, with what random source.
//! Not here: anything a verb may not use inside a transaction (mail, network, hashing) and anything of GraphQL.

use crate::access::{Action, Actor, Decision, Lease, Peer, decide};
use crate::clock::{Clock, Timestamp};
use crate::db::Db;
use crate::id::RandomSource;

/// First parameter of every verb.
#[derive(Clone)]
pub struct Ctx {
    /// Who is acting.
    pub actor: Actor,
    /// Where the request comes from; none: from inside.
    pub peer: Option<Peer>,
    /// How long the connection may act; none: as long as the actor's token lasts.
    pub lease: Option<Lease>,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Ids, references, jitter.
    pub random: RandomSource,
}

/// Why an actor may not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody is signed in.
    #[error("sign in first")]
    SignIn,
    /// The role may not.
    #[error("your role may not do this")]
    Role,
    /// Not this object: answered as if it did not exist.
    #[error("not found")]
    Hidden,
}

impl Ctx {
    /// The same context with another actor.
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { actor, ..self.clone() }
    }

    /// The actor with the newest token of the connection.
    pub fn actor_now(&self) -> Actor {
        self.lease.as_ref().map_or(self.actor, |lease| lease.renewed(self.actor))
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id.
    pub fn id<T: From<uuid::Uuid>>(&self) -> T {
        self.random.id(self.clock.now())
    }

    /// Asks the policy.
    pub fn allow(&self, action: Action) -> Result<(), Denied> {
        match decide(&self.actor, action) {
            Decision::Allow => Ok(()),
            Decision::SignIn => Err(Denied::SignIn),
            Decision::Forbid => Err(Denied::Role),
            Decision::Hide => Err(Denied::Hidden),
        }
    }
}
