//! The writing side of a socket: a queue in, frames out, and a farewell that arrives.
//! Not here: what is written.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::protocol::Close;

/// How long the last frame may take.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// How long the other side may take to answer a close frame.
const LINGER: Duration = Duration::from_secs(1);

/// Writes what comes until there is no more, a close frame was written, or the socket is gone. Whoever does not take a
/// batch within `patience` is told to try again later; a mutation of theirs goes on, a stream they can resume.
pub async fn run(mut sink: SplitSink<WebSocket, Message>, mut queue: Receiver<Message>, patience: Duration) {
    while let Some(message) = queue.recv().await {
        match timeout(patience, batch(&mut sink, &mut queue, message)).await {
            Ok(Ok(closing)) if closing => break,
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                queue.close();
                let close = Message::Close(Some(Close::TRY_LATER.frame()));
                let _ = timeout(FAREWELL, sink.send(close)).await; // nobody is left to tell
                return;
            }
        }
    }
    queue.close();
    let _ = timeout(FAREWELL, sink.close()).await; // flushes; an error means that the other side is gone
}

/// Writes a message and all that wait behind it, then flushes once. True when one of them was a close frame.
async fn batch(
    sink: &mut SplitSink<WebSocket, Message>,
    queue: &mut Receiver<Message>,
    first: Message,
) -> Result<bool, Error> {
    let mut next = Some(first);
    let mut closing = false;
    while let Some(message) = next {
        closing = matches!(message, Message::Close(_));
        sink.feed(message).await?;
        next = if closing { None } else { queue.try_recv().ok() };
    }
    sink.flush().await?;
    Ok(closing)
}

/// Lets the farewell arrive: closing a connection with unread bytes in it resets it, and a reset overtakes what was
/// written before. So reading goes on, for nobody, until the other side has closed too.
pub async fn part(writer: JoinHandle<()>, mut stream: SplitStream<WebSocket>) {
    let _ = writer.await; // it catches its own errors; a panic in it leaves nothing to do
    let read = async {
        while let Some(read) = stream.next().await {
            if read.is_err() {
                return sleep(LINGER).await;
            }
        }
    };
    let _ = timeout(LINGER, read).await; // enough waiting either way
}
