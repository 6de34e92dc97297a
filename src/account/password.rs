//! Password hashes: argon2id on threads of their own, a few at a time, which take only what everybody else leaves of the
//! cores: a flood of sign-ins must not make bookings late (`benches/under_attack.rs`).
//! Not here: which password belongs to whom.
//!
//! Parameters follow OWASP's Password Storage cheat sheet: 19 MiB, two passes, one lane. A hash carries its own, so
//! older ones still verify and are renewed at the next sign-in.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{Semaphore, oneshot};

use super::Error;
use crate::db::DbError;

/// How many may wait for each that is hashed; beyond that one is told to come back.
const WAITING_PER_PLACE: usize = 64;

/// How dear a hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
}

impl Cost {
    /// What OWASP asks for at least.
    pub const STANDARD: Self = Self { memory_kib: 19_456, passes: 2 };
    /// Only for tests that sign in hundreds of people.
    pub const TEST: Self = Self { memory_kib: 64, passes: 1 };
}

/// Hashes and verifies, at most a few at once: each takes 19 MiB and tens of milliseconds of a core.
#[derive(Clone)]
pub struct Hasher {
    cost: Cost,
    room: Arc<Semaphore>,
    /// Room to wait for room.
    entrance: Arc<Semaphore>,
    /// A hash of nothing anybody knows: what an unknown account is verified against, so that it takes as long.
    decoy: Arc<str>,
}

impl Hasher {
    /// A hasher with `at_once` places, one at least. Half of the cores' number leaves the other half to everything else.
    pub fn new(cost: Cost, at_once: usize) -> Result<Self, Error> {
        let decoy = hash(cost, "no account has this password")?.into();
        let at_once = at_once.max(1);
        let entrance = Arc::new(Semaphore::new(at_once * (1 + WAITING_PER_PLACE)));
        Ok(Self { cost, room: Arc::new(Semaphore::new(at_once)), entrance, decoy })
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let cost = self.cost;
        self.in_the_background(move || hash(cost, &password)).await?
    }

    /// Whether `password` is the one `stored` was made from; `None` does the same work and says no.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        let decoy = self.decoy.clone();
        self.in_the_background(move || {
            let known = stored.is_some();
            let text = stored.unwrap_or_else(|| decoy.to_string());
            let parsed = PasswordHash::new(&text).map_err(|error| Error::Hashing(error.to_string()))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
        })
        .await?
    }

    /// Whether a stored hash was made with other parameters than today's.
    pub fn is_outdated(&self, stored: &str) -> bool {
        let wanted = format!("m={},t={},p=1", self.cost.memory_kib, self.cost.passes);
        !stored.starts_with("$argon2id$") || stored.split('$').nth(3) != Some(wanted.as_str())
    }

    /// A thread for each: starting one costs a thousandth of what it then does, and the runtime's own stay as they are.
    async fn in_the_background<T>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error>
    where
        T: Send + 'static,
    {
        let _waiting = self.entrance.try_acquire().map_err(|_| DbError::Overloaded)?;
        let _place = self.room.acquire().await.map_err(|error| Error::Hashing(error.to_string()))?;
        let (done, outcome) = oneshot::channel();
        let run = move || {
            yield_to_others();
            // Whoever went away does not need it.
            let _ = done.send(work());
        };
        std::thread::Builder::new().name("hashing".into()).spawn(run).map_err(|e| Error::Hashing(e.to_string()))?;
        outcome.await.map_err(|error| Error::Hashing(error.to_string()))
    }
}

/// Lets everybody else have a core ten times as often as this thread, and no more than that: whoever signs in while places
/// go fast wants one of them. Linux knows priorities per thread; elsewhere this would slow the whole process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "passwords are hashed at the usual priority");
    }
}

fn hash(cost: Cost, password: &str) -> Result<String, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Hashing(error.to_string());
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|e| failed(&e))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(argon.hash_password(password.as_bytes()).map_err(|e| failed(&e))?.to_string())
}
