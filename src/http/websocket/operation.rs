//! One operation of a socket, from `subscribe` to its last message.
//! Not here: which operations there are; the connection keeps their ids.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use async_graphql::parser::types::OperationType;
use axum::extract::ws::Message;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::{OwnedPermit, Sender};
use tokio_util::sync::CancellationToken;

use super::protocol;
use crate::access::Actor;
use crate::engine::document::Params;
use crate::engine::execute::{Engine, GraphqlResponse};
use crate::engine::fault::Fault;

/// What an operation needs.
pub struct Operation {
    pub id: String,
    pub serial: u64,
    pub engine: Engine,
    pub actor: Actor,
    /// Cancelled when the actor's rights have changed.
    pub rights: CancellationToken,
    /// Cancelled when the service stops.
    pub stopping: CancellationToken,
    pub out: Sender<Message>,
}

/// An operation that ended by itself.
pub struct Finished {
    pub id: String,
    /// Which of the operations that had this id.
    pub serial: u64,
    /// Its last message and the room for it; none when there is nobody to tell.
    pub last: Option<(OwnedPermit<Message>, Message)>,
}

impl Operation {
    /// Runs to the end. Waits while the client does not read: streams wait with it, or skip what they may skip. A panic
    /// costs this operation only, and its text stays inside.
    pub async fn run(self, ask: Params) -> Finished {
        let last = AssertUnwindSafe(self.stream(ask)).catch_unwind().await.unwrap_or_else(|panic| {
            Some(protocol::error(&self.id, &[self.engine.panicked("an operation of a socket", panic.as_ref())]))
        });
        let last = match last {
            Some(message) => self.out.clone().reserve_owned().await.ok().map(|permit| (permit, message)),
            None => None,
        };
        Finished { id: self.id, serial: self.serial, last }
    }

    /// Sends all but the last message and returns that.
    async fn stream(&self, ask: Params) -> Option<Message> {
        let prepared = match self.engine.prepare(ask) {
            Ok(prepared) => prepared,
            Err(reply) => return Some(self.error(&reply)),
        };
        let streams = prepared.kind() == OperationType::Subscription;
        let mut replies = pin!(self.engine.subscribe(self.actor, prepared));
        loop {
            let reply = tokio::select! {
                biased;
                // What has an end is waited for; a stream is taken up again by its client, elsewhere or anew.
                () = self.stopping.cancelled(), if streams => return None,
                () = self.rights.cancelled(), if streams => {
                    let changed = Fault::Forbidden.server_error("Your rights have changed: subscribe again.");
                    return Some(protocol::error(&self.id, &[changed]));
                }
                reply = replies.next() => reply,
            };
            match reply {
                Some(reply) if reply.executed => {
                    self.out.send(protocol::next(&self.id, &reply)).await.ok()?;
                }
                Some(reply) => return Some(self.error(&reply)),
                None => return Some(protocol::complete(&self.id)),
            }
        }
    }

    fn error(&self, reply: &GraphqlResponse) -> Message {
        protocol::error(&self.id, &reply.response.errors)
    }
}
