//! The listening sockets, one for each thread, and the Pingora service that accepts connections on them.
//!
//! A connection is served by the runtime that accepts it. The kernel spreads connections over the
//! sockets of one address by a hash (`SO_REUSEPORT`).

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::ServerError;
use crate::metrics::{Counts, TurnedAway};
use crate::serve::{Responds, Server, Slots};
use crate::starting::Starting;

/// The maximum length of the accept queue. The kernel may allow less.
const BACKLOG: i32 = 4096;
/// How long to wait before accepting again when no more files can be opened.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds this many sockets that listen on one address together.
///
/// The first is bound alone, so that an address in use is an error even if the other process allows sharing.
pub(super) fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, ServerError> {
    let bind = |address: SocketAddr, shared: bool| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if shared {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let all = || -> io::Result<Vec<_>> {
        let first = bind(address, false)?;
        first.set_reuse_port(true)?;
        let first = TcpListener::from(first);
        let address = first.local_addr()?;
        let rest = (1..count).map(|_| bind(address, true).map(TcpListener::from));
        std::iter::once(Ok(first)).chain(rest).collect()
    };
    all().map_err(|error: io::Error| ServerError::Bind { address, error })
}

/// Accepts connections on one thread.
pub(super) struct Listener<S> {
    pub(super) name: String,
    pub(super) sockets: Vec<TcpListener>,
    pub(super) acceptor: Acceptor<S>,
    starting: Starting,
}

impl<S> Listener<S> {
    pub(super) fn new(name: String, sockets: Vec<TcpListener>, acceptor: Acceptor<S>, starting: &Starting) -> Self {
        starting.add();
        Self { name, sockets, acceptor, starting: starting.clone() }
    }
}

#[async_trait]
impl<S: Responds> Service for Listener<S> {
    async fn start_service(&mut self, fds: Option<ListenFds>, mut shutdown: ShutdownWatch, _: usize) {
        let mut accepting = JoinSet::new();
        for socket in self.sockets.drain(..) {
            // So that the sockets can be passed to a new process. Inheriting them is not implemented yet: `bind` would
            // have to look here first.
            if let (Some(fds), Ok(address)) = (&fds, socket.local_addr()) {
                fds.lock().add(format!("{address}#{}", self.name), socket.as_raw_fd());
            }
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => drop(accepting.spawn(self.acceptor.clone().accept(socket))),
                Err(error) => tracing::error!(%error, "cannot accept connections"),
            }
        }
        self.starting.has_started();
        // An error means that Pingora has stopped.
        let _ = shutdown.wait_for(|stopping| *stopping).await;
        drop(accepting);
        self.acceptor.slots.stop();
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// Serves accepted connections.
pub(super) struct Acceptor<S> {
    pub(super) server: Arc<Server<S>>,
    pub(super) slots: Arc<Slots>,
    pub(super) tasks: TaskTracker,
    pub(super) counts: Counts,
    /// For a listener that must accept connections even if the process can open no more files.
    pub(super) spare: Option<Arc<Spare>>,
}

/// Files that are held open in reserve. One is closed when the process can open no more.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<File>>);

impl Spare {
    const FILES: usize = 4;

    /// Opens files until the reserve is full, or no more can be opened.
    fn fill(&self) {
        let mut files = self.lock();
        while files.len() < Self::FILES {
            let Ok(file) = File::open("/dev/null") else { return };
            files.push(file);
        }
    }

    /// Closes one file, so that a connection can be accepted.
    fn release(&self) -> bool {
        self.lock().pop().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Clone for Acceptor<S> {
    fn clone(&self) -> Self {
        let Self { server, slots, tasks, counts, spare } = self;
        let (server, slots, counts) = (Arc::clone(server), Arc::clone(slots), counts.clone());
        Self { server, slots, tasks: tasks.clone(), counts, spare: spare.clone() }
    }
}

impl<S: Responds> Acceptor<S> {
    async fn accept(self, socket: tokio::net::TcpListener) {
        if let Some(spare) = &self.spare {
            spare.fill();
        }
        let mut is_exhausted = false;
        loop {
            match socket.accept().await {
                Ok((stream, address)) => {
                    is_exhausted = false;
                    self.serve(stream, address);
                }
                Err(error) if is_exhaustion(&error) => {
                    if !std::mem::replace(&mut is_exhausted, true) {
                        tracing::warn!(%error, "cannot accept connections for now: raise the limit on open files");
                    }
                    self.counts.turned_away(TurnedAway::Files);
                    // Without a reserve, wait until another file is closed.
                    if !self.spare.as_ref().is_some_and(|spare| spare.release()) {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                // The client has disconnected, or the network is down. The next connection may succeed.
                Err(error) => {
                    tracing::debug!(%error, "a connection was lost before it was accepted");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let Some(slot) = self.slots.take() else {
            self.counts.turned_away(TurnedAway::MaxConnections);
            tracing::debug!(peer = %address.ip(), "turned away: max_connections are open");
            return;
        };
        // If this fails, the connection is about to end anyway.
        let _ = stream.set_nodelay(true);
        let (server, spare) = (Arc::clone(&self.server), self.spare.clone());
        self.tasks.spawn(async move {
            server.serve(stream, address, slot).await;
            // At once, before another connection takes the file that was just closed.
            if let Some(spare) = spare {
                spare.fill();
            }
        });
    }
}

/// Whether the process or the machine is out of files or memory for sockets.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shared_within_the_process_and_with_nobody_else() {
        let any = "127.0.0.1:0".parse().unwrap();
        let ours = bind(any, 3).unwrap();
        let address = ours[0].local_addr().unwrap();
        assert!(ours.iter().all(|socket| socket.local_addr().unwrap() == address));
        for count in [1, 2] {
            let error = bind(address, count).unwrap_err().to_string();
            assert!(error.contains(&address.to_string()) && error.contains("in use"), "{error}");
        }
        drop(ours);
        assert_eq!(bind(address, 2).unwrap().len(), 2);
    }
}
