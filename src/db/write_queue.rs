//! The queue of writers on SQLite: one at a time, interactive before relay before workers, bounded; and nobody starves.
//! Not here: transactions. On PostgreSQL the database schedules its writers itself and there is no write queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::DbError;

/// How many may wait in one priority; beyond that a writer is refused at once instead of making everybody slower.
const WAITING_MAX: usize = 4_096;

/// How many others go before somebody who waits in a lower priority; the next turn is theirs.
const PASSED_OVER_MAX: u32 = 8;

/// Who writes, in the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for the answer.
    Interactive = 0,
    /// Numbering domain events and reacting to them.
    Relay = 1,
    /// Jobs and sweeps, in chunks of a few milliseconds.
    Worker = 2,
}

#[derive(Clone)]
pub(super) struct WriteQueue {
    state: Arc<Mutex<State>>,
    /// How long a writer waits at most.
    wait_max: Duration,
}

#[derive(Default)]
struct State {
    /// When the writer of this moment was let in.
    busy: Option<Instant>,
    waiting: [VecDeque<oneshot::Sender<WritePermit>>; 3],
    /// How many turns each priority has waited for since its last one.
    passed_over: [u32; 3],
}

impl State {
    /// Whose turn it is: of a priority that was passed over too often, else of the first priority where somebody waits.
    fn next(&mut self) -> Option<oneshot::Sender<WritePermit>> {
        let is_waiting = |priority: &usize| !self.waiting[*priority].is_empty();
        let first = (0..3).find(is_waiting)?;
        let starving = (1..3).filter(is_waiting).find(|priority| self.passed_over[*priority] >= PASSED_OVER_MAX);
        let chosen = starving.unwrap_or(first);
        for priority in 0..3 {
            let is_passed_over = priority != chosen && !self.waiting[priority].is_empty();
            self.passed_over[priority] = if is_passed_over { self.passed_over[priority] + 1 } else { 0 };
        }
        self.waiting[chosen].pop_front()
    }
}

/// The right to write; giving it up lets the next one in.
pub(super) struct WritePermit {
    write_queue: WriteQueue,
    spent: bool,
}

impl WriteQueue {
    pub(super) fn new(wait_max: Duration) -> Self {
        Self { state: Arc::default(), wait_max }
    }

    /// Whether the writer of this moment has been at it for as long as others wait at most.
    pub(super) fn is_stuck(&self) -> bool {
        self.state().busy.is_some_and(|since| since.elapsed() >= self.wait_max)
    }

    /// Whether somebody writes.
    pub(super) fn is_busy(&self) -> bool {
        self.state().busy.is_some()
    }

    pub(super) async fn enter(&self, priority: Priority) -> Result<WritePermit, DbError> {
        let turn = {
            let mut state = self.state();
            if state.busy.is_none() {
                state.busy = Some(Instant::now());
                return Ok(self.pass());
            }
            let queue = &mut state.waiting[priority as usize];
            if queue.len() >= WAITING_MAX {
                return Err(DbError::Overloaded);
            }
            let (pass, turn) = oneshot::channel();
            queue.push_back(pass);
            turn
        };
        match tokio::time::timeout(self.wait_max, turn).await {
            Ok(Ok(pass)) => Ok(pass),
            _ => Err(DbError::Overloaded),
        }
    }

    fn pass(&self) -> WritePermit {
        WritePermit { write_queue: self.clone(), spent: false }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The lock is held for a few pushes and pops that do not panic.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for WritePermit {
    fn drop(&mut self) {
        // A pass sent to somebody who stopped waiting comes back spent, and the next one is asked: a loop instead of
        // recursion through this drop, so that a thousand lost callers cost no stack.
        if self.spent {
            return;
        }
        loop {
            let next = {
                let mut state = self.write_queue.state();
                let next = state.next();
                state.busy = next.as_ref().map(|_| Instant::now());
                next
            };
            let Some(next) = next else { return };
            match next.send(self.write_queue.pass()) {
                Ok(()) => return,
                Err(mut unwanted) => unwanted.spent = true,
            }
        }
    }
}
