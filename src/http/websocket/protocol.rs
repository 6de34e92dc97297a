//! The messages and close codes of `graphql-transport-ws`, read and written. Pure.
//! Not here: when which of them is sent.

use std::borrow::Cow;

use async_graphql::ServerError;
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::account::session::End;
use crate::engine::document::Params;
use crate::engine::execute::GraphqlResponse;
use crate::http::parameters::{self, Credential};

/// The one subprotocol that is spoken.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// How long an operation's id may be; it is sent back with every message of the operation.
const ID: usize = 256;

/// Where a payload has what the header would have.
const HEADER: [&str; 2] = ["Authorization", "authorization"];

/// A close frame holds 125 bytes, two of them the code.
const REASON: usize = 123;

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

/// Declares why a socket is closed, and the list of all of it, which the documentation shows.
macro_rules! closes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal;)*) => {
        impl Close {
            $($(#[$doc])* pub const $name: Self = Self::new($code, $reason);)*

            /// Every one. An ellipsis stands for words that differ.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

closes! {
    /// The client did not answer a ping. Most likely nobody reads this; whoever does may connect again.
    SILENT = 1001 "No answer to a ping";
    /// What is sent is no WebSocket.
    PROTOCOL = 1002 "Protocol error";
    /// A frame of text that holds none.
    NOT_TEXT = 1007 "Text is not UTF-8";
    /// A message is larger than it may be.
    TOO_BIG = 1009 "Message too big";
    /// An answer cannot be written.
    INTERNAL = 1011 "Internal error";
    /// The service stops or starts anew; clients come back by themselves.
    RESTART = 1012 "Service restart";
    /// The client reads too slowly, or the service has no room.
    TRY_LATER = 1013 "Try again later";
    /// A frame that holds no text.
    BINARY = 4400 "Messages are text";
    /// A message that is none of the protocol; the reason says why.
    BAD_MESSAGE = 4400 "…";
    /// `subscribe` before `connection_ack`.
    UNAUTHORIZED = 4401 "Unauthorized";
    /// The token of `connection_init` was refused.
    NOT_VALID = 4403 "Access token not valid";
    /// The token ended and was not renewed.
    EXPIRED = 4403 "Access token expired";
    /// The sign-in was ended, the token revoked, or the account disabled.
    SIGNED_OUT = 4403 "Signed out";
    /// The client speaks something else.
    SUBPROTOCOL = 4406 "Subprotocol not acceptable";
    /// No `connection_init` in time.
    INIT_TIMEOUT = 4408 "Connection initialisation timeout";
    /// The id of a running operation was used again.
    DUPLICATE = 4409 "Subscriber for … already exists";
    /// A second `connection_init`.
    SECOND_INIT = 4429 "Too many initialisation requests";
    /// The client sends faster than it may.
    TOO_MANY_MESSAGES = 4429 "Too many messages";
    /// The user has as many sockets as they may have. Not a reason to try again: clients stop at this code.
    TOO_MANY_SOCKETS = 4429 "Too many sockets of this user";
}

impl Close {
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    fn bad(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), ..Self::BAD_MESSAGE }
    }

    /// The id of a running operation was used again.
    pub fn duplicate(id: &str) -> Self {
        Self { reason: Self::DUPLICATE.reason.replace('…', id).into(), ..Self::DUPLICATE }
    }

    /// The socket could not be read. The error's type belongs to a library below axum, so its words have to do.
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

    /// Why a signed-in user's socket closes.
    pub fn of(end: End) -> Self {
        match end {
            End::Expired => Self::EXPIRED,
            End::SignedOut => Self::SIGNED_OUT,
        }
    }

    /// The code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
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
    /// `ping` with a token in its payload: the next one of the same sign-in.
    Renew(Credential),
    /// `pong`.
    Pong,
    /// `subscribe`.
    Subscribe {
        /// The operation's id, chosen by the client.
        id: String,
        /// What to execute.
        ask: Box<Params>,
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

/// The token of a `connection_init`: `Authorization` as the header would have it, or `token` bare.
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
            // Only a value that is no JSON could fail, such as a NaN out of a resolver.
            tracing::error!(%error, "a message cannot be written as JSON");
            Message::Close(Some(Close::INTERNAL.frame()))
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
pub fn next(id: &str, reply: &GraphqlResponse) -> Message {
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
