//! Takes over the listening sockets of the process that has started this one.

use std::env;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::channel::{Channel, END, READY, VARIABLE};
use crate::process::sockets::ListeningSocket;

/// Listening sockets, each with the address of its listener.
type Sockets = Vec<(String, ListeningSocket)>;

/// How long to wait for the next socket.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process that has started this one, to take over its listening sockets.
#[derive(Debug)]
pub(in crate::process) struct Predecessor(Channel);

impl Predecessor {
    /// The process that the environment tells of, and its sockets with their addresses.
    pub(in crate::process) fn from_env() -> io::Result<Option<(Self, Sockets)>> {
        if env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let channel = Channel::from(io::stdin().as_fd().try_clone_to_owned()?);
        channel.set_timeout(PATIENCE)?;
        let mut sockets = Sockets::new();
        loop {
            match channel.receive()? {
                (address, Some(socket)) => sockets.push((address, ListeningSocket::try_from(socket)?)),
                (text, None) if text == END => return Ok(Some((Self(channel), sockets))),
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// This process accepts connections. If the other one has stopped, it was to be the end of both.
    pub(in crate::process) fn tell_ready(self) {
        if let Err(error) = self.0.send(READY, None) {
            tracing::error!("the process that has started this one has ended meanwhile: {error}");
            let _ = kill_process(getpid(), Signal::TERM);
        }
    }
}
