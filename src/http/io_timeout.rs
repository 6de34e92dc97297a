//! TCP stream wrapper that drops clients that send a request's head or read a response too slowly, and with them
//! everything that their connection holds.
//! Not here: the idle timeout (`listen`), and the timeouts of bodies and answers (`body`, `graphql`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Connection with timeouts for reads and writes.
pub struct TimedStream {
    stream: TcpStream,
    progress: Progress,
    /// Time for a request's head from its first byte; for the first head, from the opening of the connection.
    head: Duration,
    /// Time for which a write may make no progress; each byte that is accepted restarts it.
    write: Duration,
    /// Timer of a head that has begun to arrive, and the progress when it began.
    coming: Option<(u64, Pin<Box<Sleep>>)>,
    /// Timer of a write that makes no progress.
    stuck: Option<Pin<Box<Sleep>>>,
}

/// Number of requests begun and answered on a connection, shared with the task that serves it. An even number means
/// that the connection waits for the next request.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

/// Marks a connection without the timeouts of this module.
const FREED: u64 = u64::MAX;

impl Progress {
    /// Counts a request when its head has arrived. The next head is expected when the returned value is dropped.
    pub fn serving(&self) -> Serving {
        self.step();
        Serving(self.clone())
    }

    /// Lifts all timeouts: a WebSocket has its own, and sends a close frame.
    pub fn free(&self) {
        self.0.store(FREED, Ordering::Relaxed);
    }

    fn step(&self) {
        let next = |at: u64| (at != FREED).then(|| at + 1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next); // an error: the timeouts were lifted
    }
}

/// Guard of a request that is being answered.
#[derive(Debug)]
pub struct Serving(Progress);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.step();
    }
}

impl TimedStream {
    /// Stream that enforces these timeouts.
    pub fn new(stream: TcpStream, progress: Progress, head: Duration, write: Duration) -> Self {
        let coming = Some((0, Box::pin(sleep(head))));
        Self { stream, progress, head, write, coming, stuck: None }
    }

    fn at(&self) -> u64 {
        self.progress.0.load(Ordering::Relaxed)
    }

    /// Fails once a head is late.
    fn heard(&mut self, cx: &mut Context<'_>, some: bool) -> io::Result<()> {
        let at = self.at();
        if !at.is_multiple_of(2) || at == FREED {
            self.coming = None;
            return Ok(());
        }
        self.coming = self.coming.take().filter(|(since, _)| *since == at);
        if some && self.coming.is_none() {
            self.coming = Some((at, Box::pin(sleep(self.head))));
        }
        let is_late = self.coming.as_mut().is_some_and(|(_, late)| late.as_mut().poll(cx).is_ready());
        match is_late {
            // The rest may have arrived in time and been read late: the next poll decides.
            true if some => cx.waker().wake_by_ref(),
            true => return Err(io::ErrorKind::TimedOut.into()),
            false => {}
        }
        Ok(())
    }

    /// Fails once a write is stuck.
    fn taken(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() || self.at() == FREED {
            self.stuck = None;
            return written;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(self.write)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let some = buffer.filled().len() > before;
        self.heard(cx, some)?;
        read
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.taken(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.taken(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // TCP has nothing to flush, and a shutdown does not wait: neither shows that the client reads.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
