//! Rights that stay true while something is open: waits until the database says something else about who opened it.
//! Not here: what a transport does then (`websocket::connection`, `stream`).

use std::time::Duration;

use tokio::time::sleep;

use crate::access::Actor;
use crate::account::session::{Sessions, Unauthenticated};

/// What became of an actor.
pub(super) enum Change {
    /// The session is over.
    Ended,
    /// The session goes on under other rights.
    Rights(Actor),
}

/// Waits until the database says something else about an actor. When it cannot be asked, what it said last stands.
pub(super) async fn change(sessions: Sessions, actor: Actor, every: Duration) -> Change {
    if !matches!(actor, Actor::User(_)) {
        return std::future::pending().await;
    }
    loop {
        sleep(every).await;
        match sessions.refresh(&actor).await {
            Ok(now) if now != actor => return Change::Rights(now),
            Ok(_) | Err(Unauthenticated::Unavailable) => {}
            Err(Unauthenticated::Invalid) => return Change::Ended,
        }
    }
}
