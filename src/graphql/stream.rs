//! Parts shared by all subscriptions: a stream that ends with its subscriber, the check of rights before each message,
//! and waiting for the next domain event of a log.
//! Not here: subscriptions (with their nouns), cursors (`stream_cursor`), and transports (`http`).
//!
//! There are two kinds of streams. *Logs* (notices, bookings) never skip an entry: each stream reads the table from its
//! cursor, and the bus only wakes it, so a lost wake-up delays a message and never loses one. *States* (availability,
//! position) may skip to the newest.

use std::time::Duration;

use async_graphql::Result;
use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Services;
use super::error::db_fault;
use super::guard::denied;
use crate::access::{Action, Actor};
use crate::account::session::Unauthenticated;
use crate::ctx::Ctx;
use crate::domain_event::Recorded;
use crate::engine::fault::Fault;
use crate::relay::history::{self, About};

/// Messages that a stream buffers for a slow reader. Beyond that it waits for the reader; later entries stay in the
/// table.
const READY: usize = 16;

/// Number of rows read from a log at once.
pub(super) const CHUNK: u64 = 100;

/// Delay before a stream ends because its next entry needs a newer release.
const NEWER_WAIT: Duration = Duration::from_secs(1);

/// Interval without a wake-up after which a log stream compares its position with the last published one.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Sends the messages of `produce` until it ends or the subscriber disconnects.
pub(super) fn stream<T, F>(produce: impl FnOnce(mpsc::Sender<Result<T>>) -> F) -> impl Stream<Item = Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(READY);
    let produced = produce(sender.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            outcome = produced => {
                if let Err(error) = outcome {
                    let _ = sender.send(Err(error)).await;
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Returns the error that ends a stream after its subscriber disconnected; it reaches no client.
pub(super) fn gone<T>(_: mpsc::error::SendError<T>) -> async_graphql::Error {
    async_graphql::Error::new("the subscriber disconnected")
}

/// Checks before each message that its subscriber may still receive it: the session is open, and its rights are those
/// that the fields of the message are resolved with.
pub(super) async fn still_may(services: &Services, ctx: &Ctx, action: Action) -> Result<()> {
    let shown = ctx.actor_now();
    let actor: Actor = services.sessions.refresh(&shown).await.map_err(|refusal| match refusal {
        Unauthenticated::Invalid => Fault::Unauthenticated.error("Your session ended; sign in again."),
        Unauthenticated::Unavailable => Fault::Overloaded.error("Your session cannot be checked now; subscribe again."),
    })?;
    if actor != shown {
        return Err(Fault::Forbidden.error("Your rights have changed: subscribe again."));
    }
    ctx.allow(action).map_err(denied)
}

pub(super) async fn history_head(ctx: &Ctx) -> Result<history::Head> {
    history::head(ctx.db.read()).await.map_err(|error| db_fault(&error))
}

/// Returns the error that ends a stream at a log entry of a later release. Only a process of that release can send it,
/// so the client has to subscribe again with the cursor before it. The delay here slows down clients that do so at
/// once.
pub(super) async fn newer() -> async_graphql::Error {
    tokio::time::sleep(NEWER_WAIT).await;
    Fault::Overloaded.error("The next message needs a newer release than this process has: subscribe again.")
}

/// Waits until the log may have a domain event `about` this user or organizer behind the position `known`. Returns the
/// new known position: up to it, the history needs no other look.
pub(super) async fn concerned(
    wakeups: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<Recorded>>,
    services: &Services,
    about: About,
    mut known: i64,
) -> i64 {
    loop {
        let received = tokio::select! {
            received = wakeups.recv() => received,
            () = tokio::time::sleep(LOOK_EVERY) => {
                // No wake-up: checks whether a domain event was published in the meantime.
                let head = services.bus.head();
                if head > known {
                    return head;
                }
                continue;
            }
        };
        match received {
            Ok(recorded) if recorded.seq <= known => {}
            Ok(recorded) => {
                let gap = recorded.seq > known + 1;
                known = recorded.seq;
                let concerns = match about {
                    About::Anything => true,
                    About::Customer(user) => recorded.domain_event.about().user == Some(user),
                    About::Organizer(organizer) => recorded.domain_event.about().organizer == Some(organizer),
                };
                if concerns || gap {
                    return known;
                }
            }
            Err(RecvError::Lagged(_)) => return known,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
