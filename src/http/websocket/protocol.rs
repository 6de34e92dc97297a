//! The messages and close codes of `graphql-transport-ws`, read and written. Pure.
//! Not here: when which of them is sent.

use std::borrow::Cow;

use async_graphql::ServerError;
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::graphql::document::Ask;
use crate::graphql::execute::Reply;
use crate::http::parameters::{self, Credential};

/// The one subprotocol that is spoken.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// How long an operation's id may be; it is sent back with every message of the operation.
const ID: usize = 256;

/// A close frame holds 125 bytes, two of them the code.
const REASON: usize = 123;

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

impl Close {
    /// A frame that holds no text.
    pub const BINARY: Self = Self::new(4400, "Messages are text");
    /// `subscribe` before `connection_ack`.
    pub const UNAUTHORIZED: Self = Self::new(4401, "Unauthorized");
    /// The token was refused, or its session ended.
    pub const FORBIDDEN: Self = Self::new(4403, "Forbidden");
    /// The client speaks something else.
    pub const SUBPROTOCOL: Self = Self::new(4406, "Subprotocol not acceptable");
    /// No `connection_init` in time.
    pub const INIT_TIMEOUT: Self = Self::new(4408, "Connection initialisation timeout");
    /// A second `connection_init`.
    pub const SECOND_INIT: Self = Self::new(4429, "Too many initialisation requests");
    /// The client sends faster than it may.
    pub const TOO_MANY_MESSAGES: Self = Self::new(4429, "Too many messages");
    /// The user has as many sockets as they may have. Not a reason to try again: clients stop at this code.
    pub const TOO_MANY_SOCKETS: Self = Self::new(4429, "Too many sockets of this user");
    /// The client did not answer a ping. Most likely nobody reads this; whoever does may connect again.
    pub const SILENT: Self = Self::new(1001, "No answer to a ping");
    /// The service stops or starts anew; clients come back by themselves.
    pub const RESTART: Self = Self::new(1012, "Service restart");
    /// The client reads too slowly, or the service has no room.
    pub const TRY_LATER: Self = Self::new(1013, "Try again later");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    fn bad(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 4400, reason: reason.into() }
    }

    /// The id of a running operation was used again.
    pub fn duplicate(id: &str) -> Self {
        Self { code: 4409, reason: format!("Subscriber for {id} already exists").into() }
    }

    /// The socket could not be read. The error's type belongs to a library below axum, so its words have to do.
    pub fn unreadable(error: &axum::Error) -> Self {
        let text = error.to_string();
        if text.contains("too long") {
            Self::new(1009, "Message too big")
        } else if text.contains("UTF-8") || text.contains("utf-8") {
            Self::new(1007, "Text is not UTF-8")
        } else {
            Self::new(1002, "Protocol error")
        }
    }

    /// The frame, its reason cut to what fits.
    pub fn frame(&self) -> CloseFrame {
        let end = (0..=REASON.min(self.reason.len())).rev().find(|end| self.reason.is_char_boundary(*end)).unwrap_or(0);
        CloseFrame { code: self.code, reason: self.reason[..end].into() }
    }
}

/// What a client says.
#[derive(Debug)]
pub enum ClientMessage {
    /// `connection_init`, and the token in its payload.
    Init(Credential),
    /// `ping`, and its payload.
    Ping(Option<Value>),
    /// `pong`.
    Pong,
    /// `subscribe`.
    Subscribe {
        /// The operation's id, chosen by the client.
        id: String,
        /// What to execute.
        ask: Box<Ask>,
    },
    /// `complete`.
    Complete {
        /// The operation's id.
        id: String,
    },
}

/// Reads a message; else why the socket has to be closed.
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
        "ping" => Ok(ClientMessage::Ping(payload(&mut message)?.map(Value::Object))),
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

/// The token of a `connection_init`: `Authorization` as the header would have it, or `token` bare.
fn credential(payload: &Map<String, Value>) -> Credential {
    let header = ["Authorization", "authorization"].iter().find_map(|name| payload.get(*name));
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
            // Only a value that is no JSON could fail, such as a NaN out of a resolver.
            tracing::error!(%error, "a message cannot be written as JSON");
            Message::Close(Some(Close::new(1011, "Internal error").frame()))
        }
    }
}

/// `connection_ack`.
pub fn ack() -> Message {
    write("connection_ack", None, None::<()>)
}

/// `pong`, with the payload of the ping.
pub fn pong(payload: Option<Value>) -> Message {
    write("pong", None, payload)
}

/// `next`.
pub fn next(id: &str, reply: &Reply) -> Message {
    write("next", Some(id), Some(reply))
}

/// `error`: the operation did not come about, or is ended by the service.
pub fn error(id: &str, errors: &[ServerError]) -> Message {
    write("error", Some(id), Some(errors))
}

/// `complete`.
pub fn complete(id: &str) -> Message {
    write("complete", Some(id), None::<()>)
}
