//! Life of one socket: admission, running operations, and its end.
//! Not here: the upgrade to a socket, the format of messages, and their writing.
//!
//! An operation's id is free again before its last message is sent, because a client may use the id again as soon as it
//! reads that message.
//!
//! Rights are checked while a socket is open: its session is checked at each notification of a revocation, and twice a
//! second. When the session has ended, or its token was not renewed, each operation gets an error and the socket closes
//! with 4403. When its rights have changed, running streams end with FORBIDDEN, because they were admitted under the
//! old rights, and every later operation is checked under the new ones.

use std::collections::HashMap;

use axum::extract::ws::{Message, WebSocket};
use futures_util::future::BoxFuture;
use futures_util::stream::SplitStream;
use futures_util::{FutureExt, StreamExt};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::operation::{Finished, Operation};
use super::protocol::{self, ClientMessage, Close};
use super::writer::Farewell;
use crate::access::{Actor, Lease, Peer};
use crate::account::session::{Change, Unauthenticated};
use crate::engine::document::Params;
use crate::engine::fault::Fault;
use crate::http::HttpState;
use crate::http::keyed_limiter::Permit;
use crate::http::parameters::Credential;
use crate::id::UserId;

/// Reading side of a socket.
pub(super) struct Connection<'a> {
    edge: &'a HttpState,
    out: mpsc::Sender<Message>,
    /// Answer that waits for space in the queue.
    waiting: Option<Message>,
    peer: Option<Peer>,
    credential: Credential,
    /// Limit on the rate of the client's messages.
    pace: DefaultDirectRateLimiter,
    /// Permit of one of the user's sockets; it outlives the reading side.
    seat: &'a mut Option<Permit<UserId>>,
    /// Viewer of the socket; `None` before `connection_init` was accepted.
    viewer: Option<Viewer>,
    running: JoinSet<Finished>,
    ids: HashMap<String, (u64, AbortHandle)>,
    serial: u64,
    stopping: CancellationToken,
}

/// Viewer of a socket and the current rights.
struct Viewer {
    actor: Actor,
    /// Cancelled when the rights have changed.
    rights: CancellationToken,
    /// Lease that ends with the newest token.
    lease: Lease,
    /// Completes when the session ends or its rights change.
    change: BoxFuture<'static, Change>,
}

impl<'a> Connection<'a> {
    /// Connection of a socket that was just opened; `credential` comes from its upgrade request.
    pub fn new(
        edge: &'a HttpState,
        out: mpsc::Sender<Message>,
        peer: Option<Peer>,
        credential: Credential,
        seat: &'a mut Option<Permit<UserId>>,
    ) -> Self {
        let sockets = edge.sockets;
        let pace = Quota::per_second(sockets.messages_per_second).allow_burst(sockets.messages_at_once);
        Self {
            edge,
            out,
            waiting: None,
            peer,
            credential,
            pace: RateLimiter::direct(pace),
            seat,
            viewer: None,
            running: JoinSet::new(),
            ids: HashMap::new(),
            serial: 0,
            stopping: edge.shutdown.child_token(),
        }
    }

    /// Reads until one side ends the socket; `None` when the client did.
    pub async fn run(mut self, stream: &mut SplitStream<WebSocket>) -> Option<Farewell> {
        let settings = self.edge.sockets;
        let init = Instant::now() + settings.init;
        let mut silent = Instant::now() + settings.ping;
        let mut pinged = false;
        let mut pongs_due: u32 = 0;
        let out = self.out.clone();
        loop {
            let is_nobody = self.viewer.is_none();
            let change = async {
                match &mut self.viewer {
                    Some(viewer) => (&mut viewer.change).await,
                    None => std::future::pending().await,
                }
            };
            let is_open = tokio::select! {
                // Reading comes last: a client that never stops sending must not block the other branches.
                biased;
                () = self.stopping.cancelled() => return self.drain().await,
                () = out.closed() => return None,
                change = change => self.changed(change),
                Some(finished) = self.running.join_next() => {
                    self.finished(finished.ok());
                    Ok(())
                }
                room = out.reserve(), if self.waiting.is_some() => {
                    if let (Ok(room), Some(message)) = (room, self.waiting.take()) {
                        room.send(message);
                    }
                    Ok(())
                }
                () = sleep_until(init), if is_nobody => Err(Close::INIT_TIMEOUT),
                () = sleep_until(silent) => {
                    if pinged {
                        return Some(Close::SILENT.into());
                    }
                    silent = Instant::now() + settings.pong;
                    // A full queue: much is in flight to this client, and the writer checks that it arrives.
                    pinged = out.try_send(Message::Ping(Default::default())).is_ok();
                    pongs_due += u32::from(pinged);
                    Ok(())
                }
                read = stream.next(), if self.waiting.is_none() => {
                    pinged = false;
                    silent = Instant::now() + settings.ping;
                    match read {
                        Some(Ok(Message::Text(text))) => match self.keeps_pace() {
                            Ok(()) => self.message(text.as_str()).await,
                            refused => refused,
                        },
                        Some(Ok(Message::Binary(_))) => Err(Close::BINARY),
                        Some(Ok(Message::Pong(_))) if pongs_due > 0 => {
                            pongs_due -= 1;
                            Ok(())
                        }
                        // The library answers each ping.
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => self.keeps_pace(),
                        Some(Ok(Message::Close(_))) | None => return None,
                        Some(Err(error)) => Err(Close::unreadable(&error)),
                    }
                }
            };
            if let Err(close) = is_open {
                return Some(self.close_frame(close));
            }
        }
    }

    fn keeps_pace(&self) -> Result<(), Close> {
        self.pace.check().map_err(|_| {
            self.edge.engine.refused_by_rate("too many messages on a socket");
            Close::TOO_MANY_MESSAGES
        })
    }

    async fn message(&mut self, text: &str) -> Result<(), Close> {
        match protocol::read(text)? {
            ClientMessage::Ping(payload) => {
                self.push(protocol::pong(payload));
                Ok(())
            }
            ClientMessage::Renew(credential) => self.renew(&credential).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Init(_) if self.viewer.is_some() => Err(Close::SECOND_INIT),
            ClientMessage::Init(credential) => self.init(credential).await,
            ClientMessage::Subscribe { id, ask } => self.subscribe(id, *ask),
            ClientMessage::Complete { id } => {
                if let Some((_, task)) = self.ids.remove(&id) {
                    task.abort();
                }
                Ok(())
            }
        }
    }

    /// Identifies the viewer. The token of the message takes precedence over that of the upgrade.
    async fn init(&mut self, credential: Credential) -> Result<(), Close> {
        let credential = match credential {
            Credential::None => std::mem::replace(&mut self.credential, Credential::None),
            given => given,
        };
        let actor = identify(self.edge, self.peer, &credential).await.map_err(|refusal| match refusal {
            Unauthenticated::Invalid => Close::NOT_VALID,
            Unauthenticated::Unavailable => Close::TRY_LATER,
        })?;
        if let Some(user) = actor.user_id() {
            let seat = self.edge.keyed_limiter.enter(user, self.edge.sockets.per_user);
            *self.seat = Some(seat.ok_or_else(|| {
                self.edge.engine.refused_by_rate("too many sockets of a user");
                Close::TOO_MANY_SOCKETS
            })?);
        }
        self.act_as(actor, CancellationToken::new(), Lease::of(&actor));
        self.push(protocol::ack());
        Ok(())
    }

    /// Continues with the next token of the same sign-in: running operations stay, under the same rights. An invalid
    /// token changes nothing.
    async fn renew(&mut self, credential: &Credential) -> Result<(), Close> {
        if self.viewer.is_none() {
            return Err(Close::UNAUTHORIZED);
        }
        let shown = identify(self.edge, self.peer, credential).await;
        let Some(Viewer { actor, rights, lease, .. }) = &self.viewer else { return Ok(()) };
        let payload = match (shown, actor) {
            (Ok(Actor::User(shown)), Actor::User(known)) if (shown.user, shown.via) == (known.user, known.via) => {
                lease.extend(shown.expires_at);
                let has_same_rights = (shown.role, shown.memberships) == (known.role, known.memberships);
                let rights = if has_same_rights { rights.clone() } else { CancellationToken::new() };
                let (actor, lease) = (lease.renewed(Actor::User(shown)), lease.clone());
                let ends = actor.signed_in().map(|user| user.expires_at.rfc3339());
                if !has_same_rights {
                    self.end_streams();
                }
                self.act_as(actor, rights, lease);
                json!({ "renewed": true, "expiresAt": ends })
            }
            (Ok(_), _) => json!({ "renewed": false, "message": "The token is of another sign-in: reconnect." }),
            (Err(Unauthenticated::Invalid), _) => {
                json!({ "renewed": false, "message": "The access token is not valid." })
            }
            (Err(Unauthenticated::Unavailable), _) => {
                json!({ "renewed": false, "message": "The token cannot be checked right now; try again." })
            }
        };
        self.push(protocol::pong(Some(payload)));
        Ok(())
    }

    fn act_as(&mut self, actor: Actor, rights: CancellationToken, lease: Lease) {
        let (sessions, every) = (self.edge.sessions.clone(), self.edge.sockets.recheck);
        let change = async move { sessions.change(actor, every).await }.boxed();
        self.viewer = Some(Viewer { actor, rights, lease, change });
    }

    fn end_streams(&self) {
        if let Some(viewer) = &self.viewer {
            viewer.rights.cancel();
        }
    }

    fn changed(&mut self, change: Change) -> Result<(), Close> {
        match change {
            Change::Ended(end) => Err(Close::of(end)),
            Change::Rights(actor) => {
                self.end_streams();
                self.act_as(actor, CancellationToken::new(), Lease::of(&actor));
                Ok(())
            }
        }
    }

    /// Returns the messages before a close: for each running operation, an error with the reason. Streams that a client
    /// is to resume elsewhere get none.
    fn close_frame(&self, close: Close) -> Farewell {
        let fault = match &close {
            close if *close == Close::EXPIRED || *close == Close::SIGNED_OUT => Some(Fault::Unauthenticated),
            close if *close == Close::TOO_MANY_MESSAGES => Some(Fault::RateLimited),
            _ => None,
        };
        let error = fault.map(|fault| fault.server_error(format!("The socket closes: {}.", close.reason())));
        let last =
            error.map(|error| self.ids.keys().map(|id| protocol::error(id, std::slice::from_ref(&error))).collect());
        Farewell { last: last.unwrap_or_default(), close }
    }

    fn subscribe(&mut self, id: String, ask: Params) -> Result<(), Close> {
        let Some(viewer) = &self.viewer else { return Err(Close::UNAUTHORIZED) };
        if self.ids.contains_key(&id) {
            return Err(Close::duplicate(&id));
        }
        if self.ids.len() >= self.edge.sockets.operations {
            let message = format!("A socket runs at most {} operations at a time.", self.edge.sockets.operations);
            self.push(protocol::error(&id, &[Fault::TooCostly.server_error(message)]));
            return Ok(());
        }
        let ask = ask.sent_from(self.peer).under(viewer.lease.clone());
        self.serial += 1;
        let operation = Operation {
            id: id.clone(),
            serial: self.serial,
            engine: self.edge.engine.clone(),
            actor: viewer.actor,
            rights: viewer.rights.clone(),
            stopping: self.stopping.clone(),
            out: self.out.clone(),
        };
        self.ids.insert(id, (self.serial, self.running.spawn(operation.run(ask))));
        Ok(())
    }

    /// Frees the id of an operation, then sends its last message.
    fn finished(&mut self, finished: Option<Finished>) {
        let Some(Finished { id, serial, last }) = finished else { return };
        // The client may have completed it meanwhile, and started another one with the same id.
        if self.ids.get(&id).is_some_and(|(own, _)| *own == serial) {
            self.ids.remove(&id);
            if let Some((permit, message)) = last {
                permit.send(message);
            }
        }
    }

    /// Answers a message. While the queue is full nothing more is read, but rights are still checked; the writer
    /// disconnects a client that does not read in time.
    fn push(&mut self, message: Message) {
        if let Err(TrySendError::Full(message)) = self.out.try_send(message) {
            self.waiting = Some(message);
        }
    }

    /// Handles a stop of the service: streams end without a message, so that clients resume them elsewhere, and answers
    /// are awaited.
    async fn drain(mut self) -> Option<Farewell> {
        let deadline = Instant::now() + self.edge.sockets.drain;
        while let Ok(Some(finished)) = timeout_at(deadline, self.running.join_next()).await {
            self.finished(finished.ok());
        }
        // Those answers are sent before the close frame, which is sent ahead of the messages in the queue.
        let _ = timeout_at(deadline, self.out.reserve_many(self.out.max_capacity())).await;
        Some(Close::RESTART.into())
    }
}

/// Identifies the viewer of a credential.
async fn identify(edge: &HttpState, peer: Option<Peer>, credential: &Credential) -> Result<Actor, Unauthenticated> {
    let token = match credential {
        Credential::None => None,
        Credential::Bearer(token) => Some(token.as_str()),
        Credential::Broken => return Err(Unauthenticated::Invalid),
    };
    if token.is_some_and(|token| edge.sessions.is_unknown(token)) {
        edge.engine.charge_look_up(peer).map_err(|_| Unauthenticated::Unavailable)?;
    }
    let identified = timeout(edge.sockets.init, edge.sessions.identify(token)).await;
    identified.unwrap_or(Err(Unauthenticated::Unavailable))
}
