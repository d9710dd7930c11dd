//! Messages between the two processes, each with a text and perhaps a socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// The variable that tells a process to take over the sockets that arrive at its standard input.
pub(super) const VARIABLE: &str = "COUNTERSIGN_TAKE_OVER";
/// The message after the last socket.
pub(super) const END: &str = "end";
/// The message of a process that accepts connections.
pub(super) const READY: &str = "ready";
/// The longest text: the address of a listener is shorter.
const MAX_TEXT: usize = 512;

/// One end of the connection between the two processes. It keeps the boundaries of messages.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Two connected ends.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
    }

    /// Sends and receives for at most this long.
    pub(super) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, Some(timeout))?;
        set_socket_timeout(&self.0, Timeout::Send, Some(timeout))?;
        Ok(())
    }

    pub(super) fn send(&self, text: &str, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut room);
        let sockets = socket.as_slice();
        if !sockets.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(sockets));
        }
        sendmsg(&self.0, &[IoSlice::new(text.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for a message. Its text is empty if the other process has ended.
    pub(super) fn receive(&self) -> io::Result<(String, Option<OwnedFd>)> {
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut room);
        let mut bytes = [0; MAX_TEXT];
        let received = recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let socket = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
            _ => None,
        });
        let text = bytes.get(..received.bytes).unwrap_or_default();
        Ok((String::from_utf8_lossy(text).into_owned(), socket))
    }
}

impl From<OwnedFd> for Channel {
    fn from(end: OwnedFd) -> Self {
        Self(end)
    }
}

impl From<Channel> for OwnedFd {
    fn from(Channel(end): Channel) -> Self {
        end
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
