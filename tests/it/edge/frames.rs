//! WebSocket frames written and read by hand, for cases that client libraries do not produce or show: unanswered pings,
//! invalid text, unmasked frames.
//! Not here: anything of `graphql-transport-ws` (`harness::socket`).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::PATIENCE;

/// First bytes of frames: the final bit, and the kind of the content.
pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// A socket without a library around it.
pub struct Frames(TcpStream);

impl Frames {
    pub async fn open(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "GET /graphql/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    /// Sends a frame of less than 126 bytes, masked with zeros, which change nothing.
    pub async fn say(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.say_bytes(&frame).await;
    }

    pub async fn say_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Returns the next frame, of less than 126 bytes as all of them are here.
    pub async fn hear(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let first = self.0.read_u8().await.unwrap();
            let mut payload = vec![0; usize::from(self.0.read_u8().await.unwrap())];
            self.0.read_exact(&mut payload).await.unwrap();
            (first, payload)
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the socket says nothing")
    }

    /// Returns the code and reason of the close; frames before it are left unanswered.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let (CLOSE, payload) = self.hear().await {
                let (code, reason) = payload.split_at(2);
                return (u16::from_be_bytes([code[0], code[1]]), String::from_utf8(reason.to_vec()).unwrap());
            }
        }
    }
}
