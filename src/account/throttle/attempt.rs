//! One attempt that was let through, and its outcome.
//! Not here: letting it through (`throttle`).

use super::counter::{Counted, take_back};
use super::network::KnownNetwork;
use crate::account::Error;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{DbError, Priority, Tx};

/// One attempt that was let through; counted as failed until it succeeds.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Attempt {
    /// Its failures, to be taken back.
    pub(super) counted: Vec<Counted>,
    /// The counter that starts anew on success: the account from this network.
    pub(super) released: Option<String>,
    /// The network that is known from then on.
    pub(super) known_network: KnownNetwork,
}

impl Attempt {
    /// Takes the failure back, in the transaction that opens the session. Only the counter of the account from this network
    /// starts anew, so that an attacker cannot reset a network's counter by signing in to their own account.
    pub async fn succeeded(&self, tx: &Tx, now: Timestamp) -> Result<(), DbError> {
        take_back(tx, &self.counted, self.released.as_deref()).await?;
        self.known_network.remember(tx, now).await
    }

    /// Remembers the network; the attempt stays counted.
    pub async fn remember_network(&self, tx: &Tx, now: Timestamp) -> Result<(), DbError> {
        self.known_network.remember(tx, now).await
    }

    /// Passes the outcome on. Only a judged attempt stays counted, not one that found no free hashing thread or no
    /// database.
    pub async fn closed<T>(self, ctx: &Ctx, outcome: Result<T, Error>) -> Result<T, Error> {
        let is_judged =
            matches!(outcome, Ok(_) | Err(Error::BadCredentials | Error::WrongPassword | Error::EmailTaken));
        if !is_judged && !self.counted.is_empty() {
            let counted = &self.counted;
            let undo = |tx| async move { take_back(&tx, counted, None).await };
            if let Err(error) = ctx.db.write::<_, DbError, _, _>(Priority::Interactive, undo).await {
                tracing::warn!(%error, "attempt without a verdict stays counted");
            }
        }
        outcome
    }
}
