//! The listening sockets.
//!
//! `tcp.rs` and `unix.rs` bind them, `passed.rs` takes those that systemd has opened. `spread` distributes them over the
//! threads.

mod passed;
mod tcp;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;

use crate::config::{ListenAddress, ListenSpec};
use crate::connection::Address;
use crate::serve::Socket;

pub(super) use passed::Passed;
pub(super) use unix::SocketFile;

/// The maximum length of the accept queue. The kernel may allow less.
const BACKLOG: i32 = 4096;

/// A socket that listens, and does not block.
#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
}

impl ListeningSocket {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }
}

/// A socket that connections are accepted on, within a runtime.
#[derive(Debug)]
pub(super) enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Accepting {
    pub(super) fn new(socket: ListeningSocket) -> io::Result<Self> {
        match socket {
            ListeningSocket::Tcp(socket) => tokio::net::TcpListener::from_std(socket).map(Self::Tcp),
            ListeningSocket::Unix(socket) => tokio::net::UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    /// Waits for a connection. If this is dropped, no connection is lost.
    pub(super) async fn accept(&self) -> io::Result<(Socket, Address)> {
        match self {
            Self::Tcp(socket) => socket.accept().await.map(|(stream, peer)| (stream.into(), peer.ip().into())),
            Self::Unix(socket) => socket.accept().await.map(|(stream, _)| (stream.into(), Address::Unix)),
        }
    }
}

/// Opens the sockets of listeners.
#[derive(Debug)]
pub(super) struct Opener {
    passed: Passed,
    /// The files of Unix sockets, which are removed with this.
    files: Vec<SocketFile>,
}

impl Opener {
    /// Takes these sockets for the listeners that name them.
    pub(super) fn new(passed: Passed) -> Self {
        Self { passed, files: Vec::new() }
    }

    /// The sockets of a listener for webhooks, one for each thread.
    pub(super) fn webhooks(&mut self, spec: &ListenSpec, threads: usize) -> io::Result<Vec<ListeningSocket>> {
        let sockets = match &spec.address {
            ListenAddress::Ip(address) => bind_tcp(*address, threads)?,
            ListenAddress::Unix(path) => {
                let (socket, file) = unix::bind(path, spec.mode())?;
                self.files.push(file);
                vec![ListeningSocket::Unix(socket)]
            }
            ListenAddress::Systemd(name) => self.passed.take(name)?,
        };
        at_least(sockets, threads)
    }

    /// Warns of sockets that no listener has taken, and returns the files of Unix sockets.
    pub(super) fn finish(self) -> Vec<SocketFile> {
        for name in self.passed.names() {
            tracing::warn!(
                "systemd passed a socket named `{name}` that no listener uses: add \"systemd:{name}\" to `listen`, or \
                 remove it from the socket unit"
            );
        }
        self.files
    }
}

/// Binds this many sockets that listen on one address together.
pub(super) fn bind_tcp(address: SocketAddr, count: usize) -> io::Result<Vec<ListeningSocket>> {
    Ok(tcp::bind(address, count)?.into_iter().map(ListeningSocket::Tcp).collect())
}

/// Shares sockets, so that there is one for each thread at least.
fn at_least(mut sockets: Vec<ListeningSocket>, threads: usize) -> io::Result<Vec<ListeningSocket>> {
    let shared: Vec<_> = (sockets.len()..threads)
        .zip(sockets.iter().cycle())
        .map(|(_, socket)| socket.try_clone())
        .collect::<Result<_, _>>()?;
    sockets.extend(shared);
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_sockets_if_there_are_fewer() {
        let bound = |count| bind_tcp("127.0.0.1:0".parse().unwrap(), count).unwrap();
        let port = |socket: &ListeningSocket| match socket {
            ListeningSocket::Tcp(socket) => socket.local_addr().unwrap().port(),
            ListeningSocket::Unix(_) => 0,
        };
        let (two, three) = ([bound(1), bound(1)].into_iter().flatten().collect::<Vec<_>>(), bound(3));
        let ports: Vec<_> = two.iter().map(port).collect();
        let five: Vec<_> = at_least(two, 5).unwrap().iter().map(port).collect();
        assert_eq!(five, [ports[0], ports[1], ports[0], ports[1], ports[0]]);
        assert_eq!(at_least(three, 1).unwrap().len(), 3);
    }
}
