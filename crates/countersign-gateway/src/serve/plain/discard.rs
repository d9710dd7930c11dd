//! Closes a connection while its client is still sending.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::serve::activity::LINGER;
use crate::serve::link::{DISCARD, DISCARD_TOTAL};

/// Shuts down the write half, and discards the rest of a request within limits. A client that is still
/// sending would otherwise be reset, and might never see the response.
pub(super) async fn close(mut read: OwnedReadHalf, mut write: OwnedWriteHalf, is_unread: bool) {
    if poll_fn(|cx| Pin::new(&mut write).poll_shutdown(cx)).await.is_err() || !is_unread {
        return;
    }
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
    // A client that sends for longer is reset.
    let _ = timeout(LINGER, discard).await;
}
