//! The writing side of a socket: a queue in, frames out, and a close frame that arrives.
//! Not here: what is written.
//!
//! A close frame goes past the queue: what waits there is for somebody who is no longer served, or no longer reads.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Settings;
use super::protocol::Close;

/// How long the other side may take to answer a close frame.
const LINGER: Duration = Duration::from_secs(1);

/// The last words on a socket.
pub struct Farewell {
    /// To its operations.
    pub last: Vec<Message>,
    /// To the client.
    pub close: Close,
}

impl From<Close> for Farewell {
    fn from(close: Close) -> Self {
        Self { last: Vec::new(), close }
    }
}

/// Why writing ended before its time.
enum Broken {
    Gone,
    Slow,
}

/// Writes what comes until there is a close frame, a close frame was written, or the socket is gone. Whoever takes longer
/// over one message than they may is told to try again later; a mutation of theirs goes on, a stream can be resumed.
/// True when the other side was told of the end as far as there was something to tell.
pub async fn run(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: Receiver<Message>,
    close_frame: oneshot::Receiver<Farewell>,
    settings: Settings,
) -> bool {
    let close_frame = tokio::select! {
        biased;
        close_frame = close_frame => close_frame.ok(), // none: the other side closed
        written = write(&mut sink, &mut queue, settings.write) => match written {
            Ok(()) => None,
            Err(Broken::Gone) => return false,
            Err(Broken::Slow) => Some(Close::TRY_LATER.into()),
        },
    };
    drop(queue); // nobody waits for room in it any more
    let end = async {
        if let Some(Farewell { last, close }) = close_frame {
            for message in last {
                sink.feed(message).await?;
            }
            sink.send(Message::Close(Some(close.frame()))).await?;
        }
        sink.close().await // flushes; an error means that the other side is gone
    };
    timeout(settings.close_frame, end).await.is_ok_and(|said| said.is_ok())
}

/// Writes until there is no more or a close frame was written, and flushes when nothing waits; what is more than a
/// buffer's worth goes out by itself. A message is taken out of the queue when there is room for it: one that was taken
/// is not lost when a close frame ends this.
async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    queue: &mut Receiver<Message>,
    patience: Duration,
) -> Result<(), Broken> {
    loop {
        within(patience, std::future::poll_fn(|cx| sink.poll_ready_unpin(cx))).await?;
        let next = match queue.try_recv() {
            Ok(message) => Some(message),
            Err(_) => {
                within(patience, sink.flush()).await?;
                queue.recv().await
            }
        };
        let Some(message) = next else { return Ok(()) };
        let closing = matches!(message, Message::Close(_));
        sink.start_send_unpin(message).map_err(|_| Broken::Gone)?;
        if closing {
            return Ok(());
        }
    }
}

async fn within(patience: Duration, write: impl Future<Output = Result<(), Error>>) -> Result<(), Broken> {
    match timeout(patience, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Broken::Gone),
        Err(_) => Err(Broken::Slow),
    }
}

/// Lets the close frame arrive: closing a connection with unread bytes in it resets it, and a reset overtakes what was
/// written before. So reading goes on, for nobody, until the other side has closed too.
pub async fn part(writer: JoinHandle<bool>, mut stream: SplitStream<WebSocket>) {
    if !writer.await.unwrap_or(false) {
        return; // nothing was said that could arrive; a panic in it leaves nothing to do
    }
    let read = async {
        while let Some(read) = stream.next().await {
            if read.is_err() {
                return std::future::pending().await;
            }
        }
    };
    let _ = timeout(LINGER, read).await; // enough waiting either way
}
