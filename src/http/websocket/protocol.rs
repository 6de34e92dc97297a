//! Messages and close codes of `graphql-transport-ws`, read and written. Pure.
//! Not here: the rules for sending them (`connection`).

use std::borrow::Cow;

use async_graphql::ServerError;
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::account::session::End;
use crate::engine::document::Params;
use crate::engine::response::GraphqlResponse;
use crate::http::parameters::{self, Credential};

/// The only subprotocol that is supported.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Length limit of an operation's id, in bytes; the id is repeated in every message of the operation.
const ID: usize = 256;

/// Fields of a payload that take the place of the header.
const HEADER: [&str; 2] = ["Authorization", "authorization"];

/// Bytes of a close reason: a close frame holds 125, two of them the code.
const REASON: usize = 123;

/// Code and reason of a close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

/// Declares the reasons for closing a socket, and the list of all of them, which the documentation contains.
macro_rules! closes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal;)*) => {
        impl Close {
            $($(#[$doc])* pub const $name: Self = Self::new($code, $reason);)*

            /// All reasons. An ellipsis stands for variable text.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

closes! {
    /// The client did not answer a ping. Most likely it does not receive this; if it does, it may reconnect.
    SILENT = 1001 "No answer to a ping";
    /// The client sent data that is not WebSocket.
    PROTOCOL = 1002 "Protocol error";
    /// A text frame does not contain UTF-8.
    NOT_TEXT = 1007 "Text is not UTF-8";
    /// A message exceeds the size limit.
    TOO_BIG = 1009 "Message too big";
    /// An answer cannot be written.
    INTERNAL = 1011 "Internal error";
    /// The service stops or restarts; clients reconnect by themselves.
    RESTART = 1012 "Service restart";
    /// The client reads too slowly, or the service has no capacity.
    TRY_LATER = 1013 "Try again later";
    /// The client sent a binary frame.
    BINARY = 4400 "Messages are text";
    /// The client sent a message outside the protocol; the reason describes the error.
    BAD_MESSAGE = 4400 "…";
    /// The client sent `subscribe` before `connection_ack`.
    UNAUTHORIZED = 4401 "Unauthorized";
    /// The token of `connection_init` was refused.
    NOT_VALID = 4403 "Access token not valid";
    /// The token expired and was not renewed.
    EXPIRED = 4403 "Access token expired";
    /// The session was signed out, the token revoked, or the account disabled.
    SIGNED_OUT = 4403 "Signed out";
    /// The client offers another subprotocol.
    SUBPROTOCOL = 4406 "Subprotocol not acceptable";
    /// The client did not send `connection_init` in time.
    INIT_TIMEOUT = 4408 "Connection initialisation timeout";
    /// The client used the id of a running operation again.
    DUPLICATE = 4409 "Subscriber for … already exists";
    /// The client sent a second `connection_init`.
    SECOND_INIT = 4429 "Too many initialisation requests";
    /// The client sends faster than allowed.
    TOO_MANY_MESSAGES = 4429 "Too many messages";
    /// The user's number of sockets is at its limit. Trying again does not help: clients stop at this code.
    TOO_MANY_SOCKETS = 4429 "Too many sockets of this user";
}

impl Close {
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    fn bad(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), ..Self::BAD_MESSAGE }
    }

    /// Close for the id of a running operation that was used again.
    pub fn duplicate(id: &str) -> Self {
        Self { reason: Self::DUPLICATE.reason.replace('…', id).into(), ..Self::DUPLICATE }
    }

    /// Close for a socket that could not be read. The error's type belongs to a library below axum, so its text is
    /// examined.
    pub fn unreadable(error: &axum::Error) -> Self {
        let text = error.to_string();
        if text.contains("too long") {
            Self::TOO_BIG
        } else if text.contains("UTF-8") || text.contains("utf-8") {
            Self::NOT_TEXT
        } else {
            Self::PROTOCOL
        }
    }

    /// Close for the end of a session.
    pub fn of(end: End) -> Self {
        match end {
            End::Expired => Self::EXPIRED,
            End::SignedOut => Self::SIGNED_OUT,
        }
    }

    /// Returns the close code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns the text of the reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the close frame, with its reason cut to the allowed size.
    pub fn frame(&self) -> CloseFrame {
        let end = (0..=REASON.min(self.reason.len())).rev().find(|end| self.reason.is_char_boundary(*end)).unwrap_or(0);
        CloseFrame { code: self.code, reason: self.reason[..end].into() }
    }
}

/// Message of a client.
#[derive(Debug)]
pub enum ClientMessage {
    /// `connection_init` with the token in its payload.
    Init(Credential),
    /// `ping` with its payload.
    Ping(Option<Value>),
    /// `ping` with a token in its payload: the next one of the same sign-in.
    Renew(Credential),
    /// `pong`, which needs no answer.
    Pong,
    /// `subscribe`, which starts an operation.
    Subscribe {
        /// The operation's id, chosen by the client.
        id: String,
        /// Request to execute.
        ask: Box<Params>,
    },
    /// `complete`, which ends an operation.
    Complete {
        /// The operation's id.
        id: String,
    },
}

/// Reads a message; the error is the reason to close the socket.
pub fn read(text: &str) -> Result<ClientMessage, Close> {
    let Ok(Value::Object(mut message)) = serde_json::from_str(parameters::without_bom(text)) else {
        return Err(Close::bad("A message is a JSON object"));
    };
    let Some(Value::String(kind)) = message.remove("type") else {
        return Err(Close::bad("A message needs a type"));
    };
    match kind.as_str() {
        "connection_init" => Ok(ClientMessage::Init(match payload(&mut message)? {
            Some(payload) => credential(&payload),
            None => Credential::None,
        })),
        "ping" => Ok(match payload(&mut message)? {
            Some(payload) if HEADER.iter().any(|name| payload.contains_key(*name)) => {
                ClientMessage::Renew(credential(&payload))
            }
            payload => ClientMessage::Ping(payload.map(Value::Object)),
        }),
        "pong" => payload(&mut message).map(|_| ClientMessage::Pong),
        "subscribe" => {
            let id = id(&mut message)?;
            let payload = payload(&mut message)?.ok_or_else(|| Close::bad("subscribe needs a payload"))?;
            let ask = parameters::from_object(payload).map_err(|reply| {
                let reason = reply.response.errors.first().map(|error| error.message.clone());
                Close::bad(reason.unwrap_or_default())
            })?;
            Ok(ClientMessage::Subscribe { id, ask: Box::new(ask) })
        }
        "complete" => Ok(ClientMessage::Complete { id: id(&mut message)? }),
        _ => Err(Close::bad("Unknown message type")),
    }
}

fn payload(message: &mut Map<String, Value>) -> Result<Option<Map<String, Value>>, Close> {
    match message.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err(Close::bad("A payload is an object")),
    }
}

fn id(message: &mut Map<String, Value>) -> Result<String, Close> {
    match message.remove("id") {
        Some(Value::String(id)) if (1..=ID).contains(&id.len()) => Ok(id),
        _ => Err(Close::bad("The message needs an id of 1 to 256 bytes")),
    }
}

/// Reads the token of a `connection_init`: `Authorization` in the form of the header, or a bare `token`.
fn credential(payload: &Map<String, Value>) -> Credential {
    let header = HEADER.iter().find_map(|name| payload.get(*name));
    match (header.filter(|value| !value.is_null()), payload.get("token").filter(|value| !value.is_null())) {
        (Some(Value::String(value)), _) => Credential::parse(value),
        (None, Some(Value::String(token))) if token.trim().is_empty() => Credential::None,
        (None, Some(Value::String(token))) => Credential::Bearer(token.clone()),
        (None, None) => Credential::None,
        (Some(_), _) | (None, Some(_)) => Credential::Broken,
    }
}

#[derive(Serialize)]
struct Outgoing<'a, P> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

fn write<P: Serialize>(kind: &'static str, id: Option<&str>, payload: Option<P>) -> Message {
    match serde_json::to_string(&Outgoing { kind, id, payload }) {
        Ok(text) => Message::text(text),
        Err(error) => {
            // Serialization fails only for a value that is not JSON, such as a NaN from a resolver.
            tracing::error!(%error, "a message cannot be written as JSON");
            Message::Close(Some(Close::INTERNAL.frame()))
        }
    }
}

/// Returns a `connection_ack` message.
pub fn ack() -> Message {
    write("connection_ack", None, None::<()>)
}

/// Returns a `pong` with the payload of the ping.
pub fn pong(payload: Option<Value>) -> Message {
    write("pong", None, payload)
}

/// Returns a `next` message with a result.
pub fn next(id: &str, reply: &GraphqlResponse) -> Message {
    write("next", Some(id), Some(reply))
}

/// Returns an `error` message: the operation could not start, or the service ends it.
pub fn error(id: &str, errors: &[ServerError]) -> Message {
    write("error", Some(id), Some(errors))
}

/// Returns a `complete` message.
pub fn complete(id: &str) -> Message {
    write("complete", Some(id), None::<()>)
}
