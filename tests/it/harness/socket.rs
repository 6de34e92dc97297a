//! A raw `graphql-transport-ws` client: sends exactly the messages of a test.
//! Not here: convenience of real clients; those are in `tests/clients`.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// The last thing received on a socket.
#[derive(Debug)]
pub enum Heard {
    /// A message of the protocol.
    Message(Value),
    /// The socket closed, with this code and reason.
    Closed(u16, String),
}

impl Socket {
    /// Connects without sending a message.
    pub async fn connect(address: &str) -> Self {
        Self::connect_with(address, &[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap()
    }

    /// Connects with these headers only; an error if the service refuses.
    pub async fn connect_with(address: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/graphql/ws").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        connect_async(request).await.map(|(stream, _)| Self { stream })
    }

    /// Connects and initialises with a token.
    pub async fn open(address: &str, token: Option<&str>) -> Self {
        let mut socket = Self::connect(address).await;
        socket.init(json!(token.map(|token| json!({ "Authorization": format!("Bearer {token}") })))).await;
        socket
    }

    /// Initialises with this payload and must be acknowledged.
    pub async fn init(&mut self, payload: Value) {
        self.say(json!({ "type": "connection_init", "payload": payload })).await;
        let ack = self.message().await;
        assert_eq!(ack["type"], "connection_ack", "{ack}");
    }

    /// Sends a message of the protocol.
    pub async fn say(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends any text.
    pub async fn say_text(&mut self, text: &str) {
        self.stream.send(Message::text(text.to_owned())).await.unwrap();
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
    }

    /// Returns the next message or close, answering pings on the way.
    pub async fn hear(&mut self) -> Heard {
        let next = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).unwrap();
                        if message["type"] == "ping" {
                            self.stream.send(Message::text(json!({ "type": "pong" }).to_string())).await.unwrap();
                            continue;
                        }
                        return Heard::Message(message);
                    }
                    Some(Ok(Message::Close(frame))) => {
                        let frame = frame.unwrap_or(CloseFrame { code: 1005.into(), reason: "".into() });
                        return Heard::Closed(frame.code.into(), frame.reason.to_string());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Heard::Closed(1006, String::new()),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("the socket says nothing")
    }

    /// Returns the next message; panics if the socket closes instead.
    pub async fn message(&mut self) -> Value {
        match self.hear().await {
            Heard::Message(message) => message,
            Heard::Closed(code, reason) => panic!("the socket closed with {code} {reason}"),
        }
    }

    /// Returns the payload of the next `next` message of an operation.
    pub async fn next(&mut self, id: &str) -> Value {
        let message = self.message().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        assert!(message["payload"]["errors"].is_null(), "{message}");
        message["payload"]["data"].clone()
    }

    /// Returns the code and reason of the close, whatever messages come before.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Heard::Closed(code, reason) = self.hear().await {
                return (code, reason);
            }
        }
    }

    /// Cuts the connection without a close frame.
    pub fn cut(self) {
        drop(self.stream);
    }
}
