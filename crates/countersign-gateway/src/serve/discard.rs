//! The rest of a request that is rejected: it is read and discarded, within limits.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// How long the rest of a request is read and discarded.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// The limits on the bytes that are discarded: per read, and in total.
pub(super) const DISCARD: usize = 16 * 1024;
pub(super) const DISCARD_TOTAL: usize = 4 * 1024 * 1024;

/// Shuts down the write half. If a part of the request is unread, discards the rest.
pub(super) async fn close(mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin, is_unread: bool) {
    if poll_fn(|cx| Pin::new(&mut write).poll_shutdown(cx)).await.is_ok() && is_unread {
        discard(&mut read).await;
    }
}

/// Reads and discards until the client has closed its side. A client that is still sending would otherwise be reset,
/// and might never see the response. One that sends for longer is reset.
pub(super) async fn discard(mut read: impl AsyncRead + Unpin) {
    let mut discarded = 0;
    let discard = poll_fn(|cx| {
        let mut room = [const { MaybeUninit::uninit() }; DISCARD];
        while discarded < DISCARD_TOTAL {
            let mut buffer = ReadBuf::uninit(&mut room);
            match Pin::new(&mut read).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => discarded += buffer.filled().len(),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    });
    let _ = timeout(LINGER, discard).await;
}
