//! The sockets that systemd has opened and passes to the process (`LISTEN_FDS`).

use std::env;
use std::io;

use listenfd::ListenFd;

use super::ListeningSocket;

/// Sockets that were passed to the process, each with its name.
#[derive(Debug, Default)]
pub(in crate::process) struct Passed(Vec<(String, ListeningSocket)>);

impl Passed {
    /// The sockets that the environment tells of. Others than listening ones are a warning.
    pub(in crate::process) fn from_env() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut fds = ListenFd::from_env();
        let mut names = names.split(':');
        let mut passed = Vec::new();
        for position in 0..fds.len() {
            // systemd's own word for a socket without a name.
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            match take(&mut fds, position) {
                Ok(socket) => passed.push((name.to_owned(), socket)),
                Err(error) => tracing::warn!("the socket `{name}` that systemd passed cannot be used: {error}"),
            }
        }
        Self(passed)
    }

    /// All sockets of this name, at least one.
    pub(super) fn take(&mut self, name: &str) -> io::Result<Vec<ListeningSocket>> {
        let taken: Vec<_> = self.0.extract_if(.., |(known, _)| known == name).map(|(_, socket)| socket).collect();
        if taken.is_empty() {
            let message = match self.0.as_slice() {
                [] => "systemd has not passed any socket: start the gateway by a socket unit (LISTEN_FDS)".to_owned(),
                others => {
                    let others: Vec<_> = others.iter().map(|(name, _)| format!("`{name}`")).collect();
                    format!("systemd has not passed a socket of this name, but {}", others.join(", "))
                }
            };
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        Ok(taken)
    }

    /// The names of the sockets that were not taken.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

fn take(fds: &mut ListenFd, position: usize) -> io::Result<ListeningSocket> {
    let is_taken = || io::Error::new(io::ErrorKind::NotFound, "it was taken before");
    if let Ok(socket) = fds.take_unix_listener(position) {
        let socket = socket.ok_or_else(is_taken)?;
        socket.set_nonblocking(true)?;
        return Ok(ListeningSocket::Unix(socket));
    }
    let socket = fds.take_tcp_listener(position)?.ok_or_else(is_taken)?;
    socket.set_nonblocking(true)?;
    Ok(ListeningSocket::Tcp(socket))
}
