//! The sockets that were opened by another process: by systemd (`LISTEN_FDS`), or by the previous process of the gateway.

use std::env;
use std::io;
use std::path::PathBuf;

use listenfd::ListenFd;

use super::ListeningSocket;
use crate::config::ListenAddress;

/// Sockets that were passed to the process, each with the address of the listener that it is for.
#[derive(Debug, Default)]
pub(in crate::process) struct Passed(Vec<(String, ListeningSocket)>);

impl Passed {
    /// The sockets of the previous process.
    pub(in crate::process) fn from_process(sockets: Vec<(String, ListeningSocket)>) -> Self {
        Self(sockets)
    }

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
                Ok(socket) => passed.push((ListenAddress::Systemd(name.to_owned()).to_string(), socket)),
                Err(error) => tracing::warn!("the socket `{name}` that systemd passed cannot be used: {error}"),
            }
        }
        Self(passed)
    }

    /// All sockets for this listener.
    pub(super) fn take(&mut self, address: &ListenAddress) -> Vec<ListeningSocket> {
        let address = address.to_string();
        self.0.extract_if(.., |(known, _)| *known == address).map(|(_, socket)| socket).collect()
    }

    /// The error of a listener for sockets of systemd that were not passed.
    pub(super) fn missing(&self) -> io::Error {
        let others: Vec<_> = self.names().map(|name| format!("`{name}`")).collect();
        let message = if others.is_empty() {
            "systemd has not passed any socket: start the gateway by a socket unit (LISTEN_FDS)".to_owned()
        } else {
            format!("systemd has not passed a socket of this name, but {}", others.join(", "))
        };
        io::Error::new(io::ErrorKind::NotFound, message)
    }

    /// The names of the sockets of systemd that were not taken.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(address, _)| address.strip_prefix("systemd:"))
    }

    /// The paths of Unix sockets that were not taken.
    pub(super) fn unix_paths(&self) -> impl Iterator<Item = PathBuf> {
        self.0.iter().filter_map(|(address, _)| address.strip_prefix("unix:")).map(PathBuf::from)
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
