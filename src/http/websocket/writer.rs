//! Writing side of a socket: drains the outgoing queue and delivers the close frame ahead of it.
//! Not here: the content of messages.
//!
//! A close frame overtakes the queue: the messages there are for a client that has no access any more or does not read.

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

/// Time for the client to answer a close frame.
const LINGER: Duration = Duration::from_secs(1);

/// Last messages of a socket.
pub struct Farewell {
    /// Messages to its operations.
    pub last: Vec<Message>,
    /// Close frame for the client.
    pub close: Close,
}

impl From<Close> for Farewell {
    fn from(close: Close) -> Self {
        Self { last: Vec::new(), close }
    }
}

/// Reason why writing ended early.
enum Broken {
    Gone,
    Slow,
}

/// Writes messages until a close frame is given, a close frame was written, or the socket is gone. A client that takes
/// longer over one message than allowed is told to try again later; its mutations continue, and its streams can be
/// resumed. Returns true when the last messages, if any, were sent to the client.
pub async fn run(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: Receiver<Message>,
    close_frame: oneshot::Receiver<Farewell>,
    settings: Settings,
) -> bool {
    let close_frame = tokio::select! {
        biased;
        close_frame = close_frame => close_frame.ok(), // `None` when the client closed
        written = write(&mut sink, &mut queue, settings.write) => match written {
            Ok(()) => None,
            Err(Broken::Gone) => return false,
            Err(Broken::Slow) => Some(Close::TRY_LATER.into()),
        },
    };
    drop(queue); // senders that wait for space stop waiting
    let end = async {
        if let Some(Farewell { last, close }) = close_frame {
            for message in last {
                sink.feed(message).await?;
            }
            sink.send(Message::Close(Some(close.frame()))).await?;
        }
        sink.close().await // flushes; an error means that the client is gone
    };
    timeout(settings.close_frame, end).await.is_ok_and(|said| said.is_ok())
}

/// Writes until the queue ends or a close frame was written, and flushes when the queue is empty; data beyond the
/// buffer's size is sent by itself. A message is taken from the queue only when there is space for it, so that none is
/// lost when a close frame ends this.
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

/// Lets the close frame arrive. Closing a connection with unread bytes resets it, and a reset overtakes data that was
/// written before, so the socket is read, and its data dropped, until the client has closed it too.
pub async fn part(writer: JoinHandle<bool>, mut stream: SplitStream<WebSocket>) {
    if !writer.await.unwrap_or(false) {
        return; // no close frame was sent, or the writer panicked
    }
    let read = async {
        while let Some(read) = stream.next().await {
            if read.is_err() {
                return std::future::pending().await;
            }
        }
    };
    let _ = timeout(LINGER, read).await; // the wait ends either way
}
