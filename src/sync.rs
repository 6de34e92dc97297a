//! Locks of the standard library without poisoning.
//! Not here: locks that are held across an await (`tokio::sync`).

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. A panic under the lock leaves the data whole in every place that uses this, so a poisoned lock is
/// opened like any other.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
