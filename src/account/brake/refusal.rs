//! What was refused within the last second, in memory: a flood is refused again without asking the database.
//! Not here: who is refused at first (`brake`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use super::Error;
use crate::clock::Micros;

/// How long a refusal is remembered without asking again. Somebody who was right meanwhile releases their brake; they
/// would not notice a second.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// How many refusals are remembered at once.
const REFUSALS: u64 = 10_000;

/// How many attempts are looked up all the same while a refusal of their place is remembered: the account may be familiar.
const LOOKS: u32 = 10;

/// What was just refused; cheap to clone.
#[derive(Debug, Clone)]
pub struct Refusals(Cache<String, Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    /// When it was.
    at: Micros,
    /// Until when one has to wait.
    until: Micros,
    /// How many are still looked up all the same.
    looks: Arc<AtomicU32>,
}

impl Refusals {
    /// Nothing was refused yet.
    pub fn new() -> Self {
        Self(Cache::new(REFUSALS))
    }

    /// What is remembered of a key that was refused within the last second.
    fn remembered(&self, key: &str, now: Micros) -> Option<Refusal> {
        let is_fresh = |refusal: &Refusal| refusal.at <= now && refusal.at.plus(REFUSED_FOR) > now;
        self.0.get(key).filter(|refusal| is_fresh(refusal) && refusal.until > now)
    }

    /// Remembers a refusal until then, if it is one. Says until when.
    pub fn noted(&self, key: &str, until: Micros, now: Micros) -> Micros {
        if until > now && self.remembered(key, now).is_none() {
            let looks = Arc::new(AtomicU32::new(LOOKS));
            self.0.insert(key.to_owned(), Refusal { at: now, until, looks });
        }
        until
    }

    /// Refuses again what was just refused.
    pub fn recall(&self, keys: &[&str], now: Micros) -> Result<(), Error> {
        let until = keys.iter().filter_map(|key| self.remembered(key, now)).map(|refusal| refusal.until).max();
        refused(until.unwrap_or(now), now)
    }

    /// The same, but lets a few through to be looked up. Nobody knows whether the others wait longer than for that.
    pub fn recall_all_but_some(&self, key: &str, now: Micros) -> Result<(), Error> {
        let Some(refusal) = self.remembered(key, now) else { return Ok(()) };
        match refusal.looks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => refused(refusal.until.min(refusal.at.plus(REFUSED_FOR)), now),
        }
    }
}

/// Refused while this time is to come.
pub fn refused(until: Micros, now: Micros) -> Result<(), Error> {
    match until > now {
        true => Err(Error::Braked(Duration::from_micros((until.0 - now.0).unsigned_abs()))),
        false => Ok(()),
    }
}
