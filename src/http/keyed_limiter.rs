//! Keyed concurrency limiter with permits that are released on drop: connections of an address, sockets of a user.
//! Not here: the refusal of a client that gets no permit.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::sync;

/// Counts held permits by key; cheap to clone.
#[derive(Debug)]
pub struct KeyedLimiter<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Clone for KeyedLimiter<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for KeyedLimiter<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Copy> KeyedLimiter<K> {
    /// Returns a permit, unless `max` of this key are held. It is released on drop.
    pub fn enter(&self, key: K, max: usize) -> Option<Permit<K>> {
        let mut here = self.here();
        let count = here.entry(key).or_default();
        if *count >= max {
            if *count == 0 {
                here.remove(&key);
            }
            return None;
        }
        *count += 1;
        Some(Permit { keyed_limiter: self.clone(), key })
    }

    fn here(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        sync::lock(&self.0)
    }
}

/// Permit of one key.
#[derive(Debug)]
pub struct Permit<K: Eq + Hash + Copy> {
    keyed_limiter: KeyedLimiter<K>,
    key: K,
}

impl<K: Eq + Hash + Copy> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut here = self.keyed_limiter.here();
        if let Some(count) = here.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                here.remove(&self.key);
            }
        }
    }
}
