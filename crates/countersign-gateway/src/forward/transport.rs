//! The stream of an upstream connection, and a record of what happened on it.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The maximum size of a response head in bytes, including all interim (1xx) responses before it.
pub(super) const HEAD_LIMIT: usize = 64 * 1024;

/// The record of a stream since its current request began. Shared, because the connection owns the stream.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    received: AtomicUsize,
    sent: AtomicBool,
    closed: AtomicBool,
    in_head: AtomicBool,
}

impl Traffic {
    /// A request begins.
    pub(super) fn begin(&self) {
        self.received.store(0, Relaxed);
        self.sent.store(false, Relaxed);
        self.closed.store(false, Relaxed);
        self.in_head.store(true, Relaxed);
    }

    /// The head of the response is complete. The body is not limited.
    pub(super) fn end_head(&self) {
        self.in_head.store(false, Relaxed);
    }

    /// Whether a byte of the response arrived.
    pub(super) fn received(&self) -> bool {
        self.received.load(Relaxed) > 0
    }

    /// Whether a byte of the request was written.
    pub(super) fn sent(&self) -> bool {
        self.sent.load(Relaxed)
    }

    /// Whether the other side closed the connection: end of file, reset, or broken pipe.
    pub(super) fn closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    fn check_head(&self) -> io::Result<()> {
        if self.in_head.load(Relaxed) && self.received.load(Relaxed) >= HEAD_LIMIT {
            return Err(io::Error::new(ErrorKind::InvalidData, "the head of the response is longer than 64 KiB"));
        }
        Ok(())
    }

    /// Records an error. Returns whether it means that the other side closed the connection.
    fn note(&self, error: &io::Error) -> bool {
        let closed = matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::NotConnected
        );
        if closed {
            self.closed.store(true, Relaxed);
        }
        closed
    }

    /// Records the result of a write.
    ///
    /// A backend may respond before it has read the whole request, and close. Its response can still be read
    /// then, so a write that finds the connection closed never ends: the read side ends the exchange, with
    /// the response or with the end of the stream.
    fn written(&self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        match result {
            Ok(written) => {
                if written > 0 {
                    self.sent.store(true, Relaxed);
                }
                Poll::Ready(Ok(written))
            }
            Err(error) if self.note(&error) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// A TCP stream that notes its traffic.
#[derive(Debug)]
pub(super) struct Transport {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.traffic.check_head()?;
        let before = buf.filled().len();
        if let Err(error) = ready!(Pin::new(&mut this.stream).poll_read(cx, buf)) {
            this.traffic.note(&error);
            return Poll::Ready(Err(error));
        }
        match buf.filled().len() - before {
            0 => this.traffic.closed.store(true, Relaxed),
            read => drop(this.traffic.received.fetch_add(read, Relaxed)),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        this.traffic.written(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs));
        this.traffic.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
