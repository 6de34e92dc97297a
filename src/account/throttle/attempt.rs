//! One admitted attempt and its outcome.
//! Not here: its admission (`throttle`).

use super::counter::{Counted, take_back};
use super::network::KnownNetwork;
use crate::account::Error;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{DbError, Priority, Tx};

/// One admitted attempt; counted as failed until it succeeds.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Attempt {
    /// Failures counted for this attempt, which success takes back.
    pub(super) counted: Vec<Counted>,
    /// Key of the counter that is reset on success: the one of the account from this network.
    pub(super) released: Option<String>,
    /// Network that becomes known to the account.
    pub(super) known_network: KnownNetwork,
}

impl Attempt {
    /// Takes the failures back, in the transaction that opens the session. Only the counter of the account from this
    /// network is reset, so that an attacker cannot reset a network's counter by signing in to their own account.
    pub async fn succeeded(&self, tx: &Tx, now: Timestamp) -> Result<(), DbError> {
        take_back(tx, &self.counted, self.released.as_deref()).await?;
        self.known_network.remember(tx, now).await
    }

    /// Records the network as known; the attempt stays counted.
    pub async fn remember_network(&self, tx: &Tx, now: Timestamp) -> Result<(), DbError> {
        self.known_network.remember(tx, now).await
    }

    /// Passes the outcome on. Only an attempt with a verdict stays counted; one that found no free hashing thread or no
    /// database is taken back.
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
