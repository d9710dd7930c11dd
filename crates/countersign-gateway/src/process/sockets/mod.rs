//! The listening sockets.
//!
//! `tcp.rs` and `unix.rs` bind them, `passed.rs` takes those that systemd or the previous process has opened.

mod passed;
mod tcp;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::SockRef;

use crate::config::{ListenAddress, ListenSpec};
use crate::connection::Address;
use crate::serve::Socket;

pub(super) use passed::Passed;
use unix::SocketFile;

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

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// A socket of another process, which listens and does not block.
impl TryFrom<OwnedFd> for ListeningSocket {
    type Error = io::Error;

    fn try_from(socket: OwnedFd) -> io::Result<Self> {
        let is_unix = SockRef::from(&socket).local_addr()?.is_unix();
        Ok(if is_unix { Self::Unix(socket.into()) } else { Self::Tcp(socket.into()) })
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
    opened: Opened,
}

/// The sockets that were opened, to pass them to another process. They listen until this is dropped, and it removes the
/// files of Unix sockets.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// Each with its address.
    sockets: Vec<(String, ListeningSocket)>,
    files: Vec<SocketFile>,
    unused: Unused,
}

/// The paths of Unix sockets that the previous process listens on, and that no listener of this one uses.
#[derive(Debug, Default)]
pub(super) struct Unused(Vec<PathBuf>);

impl Unused {
    /// Removes the files, because the previous process leaves them behind.
    pub(super) fn remove(self) {
        self.0.iter().filter_map(|path| SocketFile::new(path).ok()).for_each(drop);
    }
}

impl Opened {
    /// The sockets, each with its address.
    pub(super) fn try_clone(&self) -> io::Result<Vec<(String, ListeningSocket)>> {
        self.sockets.iter().map(|(address, socket)| Ok((address.clone(), socket.try_clone()?))).collect()
    }

    /// The Unix sockets of the previous process that no listener uses any more.
    pub(super) fn take_unused(&mut self) -> Unused {
        std::mem::take(&mut self.unused)
    }

    /// Leaves the sockets and their files to another process.
    pub(super) fn leave(&mut self) {
        self.sockets.clear();
        self.files.drain(..).for_each(SocketFile::leave);
    }
}

impl Opener {
    /// Takes these sockets for the listeners that name them.
    pub(super) fn new(passed: Passed) -> Self {
        Self { passed, opened: Opened::default() }
    }

    /// The sockets of a listener for webhooks, one for each thread.
    pub(super) fn webhooks(&mut self, spec: &ListenSpec, threads: usize) -> io::Result<Vec<ListeningSocket>> {
        let passed = self.passed.take(&spec.address);
        let sockets = match &spec.address {
            ListenAddress::Ip(address) if passed.is_empty() => bind_tcp(*address, threads)?,
            ListenAddress::Unix(path) if passed.is_empty() => {
                let (socket, file) = unix::bind(path, spec.mode())?;
                self.opened.files.push(file);
                vec![ListeningSocket::Unix(socket)]
            }
            ListenAddress::Unix(path) => {
                // Without a file, nobody can connect, and there is nothing to remove.
                self.opened.files.extend(SocketFile::new(path));
                passed
            }
            ListenAddress::Systemd(_) if passed.is_empty() => return Err(self.passed.missing()),
            ListenAddress::Ip(_) | ListenAddress::Systemd(_) => passed,
        };
        self.keep(&spec.address, &sockets)?;
        at_least(sockets, threads)
    }

    /// The sockets of the admin listener.
    pub(super) fn admin(&mut self, address: SocketAddr) -> io::Result<Vec<ListeningSocket>> {
        let address = ListenAddress::Ip(address);
        let passed = self.passed.take(&address);
        let sockets = match address {
            ListenAddress::Ip(address) if passed.is_empty() => bind_tcp(address, 1)?,
            _ => passed,
        };
        self.keep(&address, &sockets)?;
        Ok(sockets)
    }

    fn keep(&mut self, address: &ListenAddress, sockets: &[ListeningSocket]) -> io::Result<()> {
        for socket in sockets {
            self.opened.sockets.push((address.to_string(), socket.try_clone()?));
        }
        Ok(())
    }

    /// Warns of sockets of systemd that no listener has taken, and returns everything that was opened.
    pub(super) fn finish(mut self) -> Opened {
        for name in self.passed.names() {
            tracing::warn!(
                "systemd passed a socket named `{name}` that no listener uses: add \"systemd:{name}\" to `listen`, or \
                 remove it from the socket unit"
            );
        }
        self.opened.unused = Unused(self.passed.unix_paths().collect());
        self.opened
    }
}

/// Binds this many sockets that listen on one address together.
fn bind_tcp(address: SocketAddr, count: usize) -> io::Result<Vec<ListeningSocket>> {
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
