//! Queue of writers on SQLite: one writer at a time, interactive before relay before workers, bounded, without
//! starvation.
//! Not here: transactions, and PostgreSQL, which schedules its writers itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::DbError;

use crate::sync;

/// Most writers that wait in one priority. Further writers are refused at once, because a longer queue would slow all
/// of them.
const WAITING_MAX: usize = 4_096;

/// Number of other writers that may pass a waiting lower priority before it is next.
const PASSED_OVER_MAX: u32 = 8;

/// Kind of writer, in the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A client waits for the answer.
    Interactive = 0,
    /// Numbers domain events and reacts to them.
    Relay = 1,
    /// Runs jobs and sweeps, in chunks of a few milliseconds.
    Worker = 2,
}

#[derive(Clone)]
pub(super) struct WriteQueue {
    state: Arc<Mutex<State>>,
    /// Longest wait of a writer.
    wait_max: Duration,
}

#[derive(Default)]
struct State {
    /// Time since which the current writer holds the permit.
    busy: Option<Instant>,
    waiting: [VecDeque<oneshot::Sender<WritePermit>>; 3],
    /// Number of permits that passed each waiting priority since its last one.
    passed_over: [u32; 3],
}

impl State {
    /// Returns the next writer: of a priority that was passed over too often, else of the first priority with a waiting
    /// writer.
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

/// Permit to write; dropping it admits the next writer.
pub(super) struct WritePermit {
    write_queue: WriteQueue,
    spent: bool,
}

impl WriteQueue {
    pub(super) fn new(wait_max: Duration) -> Self {
        Self { state: Arc::default(), wait_max }
    }

    /// Returns true if the current writer has held the permit for as long as other writers wait at most.
    pub(super) fn is_stuck(&self) -> bool {
        self.state().busy.is_some_and(|since| since.elapsed() >= self.wait_max)
    }

    /// Returns true if a writer holds the permit.
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
        // The lock is held only for a few pushes and pops, which do not panic.
        sync::lock(&self.state)
    }
}

impl Drop for WritePermit {
    fn drop(&mut self) {
        // A permit sent to a writer that stopped waiting comes back marked as spent, and the next writer is tried. A
        // loop instead of recursion through this drop, so that a thousand lost writers cost no stack.
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
