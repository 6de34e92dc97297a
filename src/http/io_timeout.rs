//! A connection whose client must speak and listen in time: who takes too long over a request's head, or reads nothing for
//! too long, is left, and with them goes everything their connection holds.
//! Not here: how long it may be idle (`listen`), and how long bodies and answers may take to come (`body`, `graphql`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// The connection.
pub struct TimedStream {
    stream: TcpStream,
    progress: Progress,
    /// How long a request's head may take from its first byte, the first one from the beginning.
    head: Duration,
    /// How long a write may get nowhere; each byte taken begins the wait anew.
    write: Duration,
    /// Since a head began to come, and at which point of the progress.
    coming: Option<(u64, Pin<Box<Sleep>>)>,
    /// Since a write gets nowhere.
    stuck: Option<Pin<Box<Sleep>>>,
}

/// How far a connection is, shared with whoever serves it: requests begun and answered. An even number: it waits for the
/// next one.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

/// Somebody else watches the connection.
const FREED: u64 = u64::MAX;

impl Progress {
    /// A request's head is there. The next one may come when what this returns is dropped.
    pub fn serving(&self) -> Serving {
        self.step();
        Serving(self.clone())
    }

    /// Lifts all limits: a socket has deadlines of its own, and says goodbye.
    pub fn free(&self) {
        self.0.store(FREED, Ordering::Relaxed);
    }

    fn step(&self) {
        let next = |at: u64| (at != FREED).then(|| at + 1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next); // an error: it was freed
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Serving(Progress);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.step();
    }
}

impl TimedStream {
    /// Watches `stream`.
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
            // Perhaps the rest was there in time and only read late: the next look decides.
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

    // TCP has nothing to flush, and shutting down waits for nobody: neither says that the client reads.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
