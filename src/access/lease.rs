//! Lifetime of the sign-in on a connection: its token can be renewed while the connection is open.
//! Not here: the token (`account::token`), and its renewal (`http::websocket`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{Actor, SignedIn};
use crate::clock::Timestamp;

/// Expiry of the newest token shown on a connection; shared by the connection's running operations.
#[derive(Debug, Clone)]
pub struct Lease(Arc<AtomicI64>);

impl Lease {
    /// Creates a lease until the actor's token expires; without end for an actor without a token.
    pub fn of(actor: &Actor) -> Self {
        Self(Arc::new(AtomicI64::new(actor.signed_in().map_or(i64::MAX, |user| user.expires_at.0))))
    }

    /// Extends the lease to the expiry of a later token.
    pub fn extend(&self, expires_at: Timestamp) {
        self.0.fetch_max(expires_at.0, Ordering::SeqCst);
    }

    /// Returns the actor with the expiry of the newest token.
    pub fn renewed(&self, actor: Actor) -> Actor {
        match actor {
            Actor::User(user) => {
                let expires_at = Timestamp(self.0.load(Ordering::SeqCst)).max(user.expires_at);
                Actor::User(SignedIn { expires_at, ..user })
            }
            other => other,
        }
    }
}
