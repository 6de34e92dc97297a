//! What every subscription shares: a stream that ends with its listener, the check of rights before each message, and
//! waiting for the next domain event of a log.
//! Not here: subscriptions (with their nouns), cursors (`stream_cursor`), and transports (`http`).
//!
//! Two kinds. *Logs* (notices, bookings) are never merged: each stream reads the table from its cursor and is only woken
//! by the bus, so a lost wake-up delays and never loses. *States* (availability, position) may skip to the newest.

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

/// Messages a stream holds ready for a slow reader; beyond that it waits for them, in the table.
const READY: usize = 16;

/// Rows read from a log at once.
pub(super) const CHUNK: u64 = 100;

/// How long a stream waits before it says that a newer release has to go on with it.
const NEWER_WAIT: Duration = Duration::from_secs(1);

/// How long a log stream trusts the bus before comparing what it heard with what was published.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Sends what `produce` makes until it ends or nobody listens any more.
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

/// The listener went away; there is nobody to tell.
pub(super) fn gone<T>(_: mpsc::error::SendError<T>) -> async_graphql::Error {
    async_graphql::Error::new("the listener went away")
}

/// Asks again, before a message leaves, whether its reader may still have it: the session lives, and its rights are those the
/// fields of the message will be asked for with.
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

/// Refuses to go on when the next entry of a log is of a later release. A process of that release has to serve it, so the
/// client subscribes again with the cursor before it; the wait keeps clients that do so at once from asking without pause.
pub(super) async fn newer() -> async_graphql::Error {
    tokio::time::sleep(NEWER_WAIT).await;
    Fault::Overloaded.error("The next message needs a newer release than this process has: subscribe again.")
}

/// Waits until there may be a domain event about somebody behind `known`; returns up to where nothing else needs to be looked at.
pub(super) async fn concerned(
    heard: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<Recorded>>,
    services: &Services,
    about: About,
    mut known: i64,
) -> i64 {
    loop {
        let domain_event = tokio::select! {
            domain_event = heard.recv() => domain_event,
            () = tokio::time::sleep(LOOK_EVERY) => {
                // Nothing heard: was anything published meanwhile?
                let head = services.bus.head();
                if head > known {
                    return head;
                }
                continue;
            }
        };
        match domain_event {
            Ok(domain_event) if domain_event.seq <= known => {}
            Ok(domain_event) => {
                let gap = domain_event.seq > known + 1;
                known = domain_event.seq;
                let concerns = match about {
                    About::Anything => true,
                    About::Customer(user) => domain_event.domain_event.about().user == Some(user),
                    About::Organizer(organizer) => domain_event.domain_event.about().organizer == Some(organizer),
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
