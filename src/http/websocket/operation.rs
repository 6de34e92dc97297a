//! Runs one operation of a socket, from `subscribe` to its last message.
//! Not here: the set of running operations; the connection keeps their ids.

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
use crate::engine::execute::Engine;
use crate::engine::fault::Fault;
use crate::engine::response::GraphqlResponse;

/// Operation with everything it needs to run.
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

/// Result of an operation that ended by itself.
pub struct Finished {
    pub id: String,
    /// Number that distinguishes operations with the same id.
    pub serial: u64,
    /// Last message and the permit to send it; `None` when there is no client or message left.
    pub last: Option<(OwnedPermit<Message>, Message)>,
}

impl Operation {
    /// Runs to the end. While the client does not read, the operation waits, and streams wait or skip results where
    /// they may. A panic ends only this operation, and its text stays out of the answer.
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
                // Queries and mutations are awaited; a stream is resumed or restarted by its client.
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
