//! How long a connection may act, where its token can be renewed while it is open.
//! Not here: the token (`account::token`), and when it is renewed (`http::websocket`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{Actor, SignedIn};
use crate::clock::Timestamp;

/// The end of the newest token that was shown on a connection; its running operations share it.
#[derive(Debug, Clone)]
pub struct Lease(Arc<AtomicI64>);

impl Lease {
    /// Until this token ends; without end for an actor without one.
    pub fn of(actor: &Actor) -> Self {
        Self(Arc::new(AtomicI64::new(actor.signed_in().map_or(i64::MAX, |user| user.expires_at.0))))
    }

    /// Goes on until a later token ends.
    pub fn extend(&self, expires_at: Timestamp) {
        self.0.fetch_max(expires_at.0, Ordering::SeqCst);
    }

    /// An actor as their newest token has it.
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
