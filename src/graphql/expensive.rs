//! Keyed concurrency limit for expensive reads: searches and counts of one viewer run a few at a time, the others queue
//! briefly.
//! Not here: the cost of an operation (`engine::cost`), and the budget of a viewer (`engine::budget`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_graphql::{Context, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Services;
use super::guard::acting;
use crate::access::Peer;
use crate::engine::fault::Fault;
use crate::id::UserId;
use crate::sync;

/// Expensive reads of one viewer that may run at the same time.
const AT_ONCE: usize = 2;

/// Expensive reads of one viewer that may run or queue; one page needs a handful.
const WAITING_MAX: usize = 32;

/// Longest wait for a permit.
const PATIENCE: Duration = Duration::from_secs(5);

/// Delay after which a refused client may retry.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Expensive reads in progress, by viewer. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Expensive(Arc<Mutex<HashMap<Viewer, Reads>>>);

/// Key of the limit: a user, or all requests without a user from one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Viewer {
    /// A signed-in user.
    User(UserId),
    /// Address of a request without a user; `None` when the request did not come over a network.
    Address(Option<IpAddr>),
}

#[derive(Debug)]
struct Reads {
    turns: Arc<Semaphore>,
    present: usize,
}

/// A viewer's read that is queued or running; it is removed when dropped.
struct Present {
    all: Expensive,
    key: Viewer,
}

/// Permit for one expensive read; it is released when dropped.
pub struct Permit {
    _turn: OwnedSemaphorePermit,
    _present: Present,
}

impl Expensive {
    /// Waits for a permit of this viewer. Returns `None` if too many reads wait already or the wait takes too long.
    pub async fn enter(&self, key: Viewer) -> Option<Permit> {
        let (turns, present) = self.join(key)?;
        let turn = timeout(PATIENCE, turns.acquire_owned()).await.ok()?.ok()?;
        Some(Permit { _turn: turn, _present: present })
    }

    fn join(&self, key: Viewer) -> Option<(Arc<Semaphore>, Present)> {
        let mut viewers = self.viewers();
        let new = || Reads { turns: Arc::new(Semaphore::new(AT_ONCE)), present: 0 };
        let viewer = viewers.entry(key).or_insert_with(new);
        if viewer.present >= WAITING_MAX {
            return None;
        }
        viewer.present += 1;
        Some((viewer.turns.clone(), Present { all: self.clone(), key }))
    }

    fn viewers(&self) -> MutexGuard<'_, HashMap<Viewer, Reads>> {
        sync::lock(&self.0)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut viewers = self.all.viewers();
        if let Some(viewer) = viewers.get_mut(&self.key) {
            viewer.present -= 1;
            if viewer.present == 0 {
                viewers.remove(&self.key);
            }
        }
    }
}

/// Waits for a permit of the request's viewer, or refuses with `RATE_LIMITED`.
pub async fn turn(ctx: &Context<'_>) -> Result<Permit> {
    let acting = acting(ctx)?;
    let key = match acting.actor.user_id() {
        Some(user) => Viewer::User(user),
        None => Viewer::Address(acting.peer.map(Peer::place)),
    };
    let permit = ctx.data::<Services>()?.expensive.enter(key).await;
    permit.ok_or_else(|| {
        Fault::RateLimited.retry_after("Too many searches and counts at once; try again in a moment.", RETRY_AFTER)
    })
}
