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

/// Why writing ended before its time.
enum Broken {
    Gone,
    Slow,
}

/// Writes what comes until there is no more, a close frame was written, or the socket is gone. Whoever takes longer
/// than `patience` over one message is told to try again later; a mutation of theirs goes on, a stream can be resumed.
pub async fn run(mut sink: SplitSink<WebSocket, Message>, mut queue: Receiver<Message>, patience: Duration) {
    while let Some(message) = queue.recv().await {
        match batch(&mut sink, &mut queue, message, patience).await {
            Ok(true) => break,
            Ok(false) => {}
            Err(Broken::Gone) => return,
            Err(Broken::Slow) => {
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

/// Writes a message and those that wait behind it, then flushes once. True when one of them was a close frame.
async fn batch(
    sink: &mut SplitSink<WebSocket, Message>,
    queue: &mut Receiver<Message>,
    first: Message,
    patience: Duration,
) -> Result<bool, Broken> {
    let mut next = Some(first);
    let mut closing = false;
    // Those that wait now, or a busy stream would never be flushed.
    let mut more = queue.len();
    while let Some(message) = next {
        closing = matches!(message, Message::Close(_));
        within(patience, sink.feed(message)).await?;
        next = if closing || more == 0 { None } else { queue.try_recv().ok() };
        more = more.saturating_sub(1);
    }
    within(patience, sink.flush()).await?;
    Ok(closing)
}

async fn within(patience: Duration, write: impl Future<Output = Result<(), Error>>) -> Result<(), Broken> {
    match timeout(patience, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Broken::Gone),
        Err(_) => Err(Broken::Slow),
    }
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
