//! The Pingora service that accepts connections on the listening sockets of one thread.
//!
//! A connection is served by the runtime that accepts it.

use std::fs::File;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use countersign_tower::BodyBudget;
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::files::ADMIN_CONNECTIONS;
use super::sockets::{Accepting, ListeningSocket};
use crate::connection::Address;
use crate::lifecycle::Lifecycle;
use crate::metrics::{Counts, TurnedAway};
use crate::serve::{MAX_HEAD, Preamble, Responds, Server, Slots, Socket, Timeouts};

/// How long to wait before accepting again when no more files can be opened.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections on one thread.
pub(super) struct Listener<S> {
    pub(super) name: String,
    pub(super) sockets: Vec<(ListeningSocket, Preamble)>,
    pub(super) acceptor: Acceptor<S>,
    lifecycle: Lifecycle,
    /// Cancelled when another process accepts connections in its place.
    handed_over: CancellationToken,
    until: Option<CancellationToken>,
}

impl<S> Listener<S> {
    pub(super) fn new(
        name: String,
        sockets: Vec<(ListeningSocket, Preamble)>,
        acceptor: Acceptor<S>,
        lifecycle: &Lifecycle,
        handed_over: &CancellationToken,
    ) -> Self {
        lifecycle.add_listener();
        Self { name, sockets, acceptor, lifecycle: lifecycle.clone(), handed_over: handed_over.clone(), until: None }
    }

    /// Accepts connections until this token is cancelled, instead of until Pingora stops.
    pub(super) fn until(self, token: CancellationToken) -> Self {
        Self { until: Some(token), ..self }
    }
}

#[async_trait]
impl<S: Responds> Service for Listener<S> {
    async fn start_service(&mut self, _: Option<ListenFds>, mut shutdown: ShutdownWatch, _: usize) {
        let mut accepting = JoinSet::new();
        for (socket, preamble) in self.sockets.drain(..) {
            match Accepting::new(socket) {
                Ok(socket) => drop(accepting.spawn(self.acceptor.clone().accept(socket, preamble))),
                Err(error) => tracing::error!(%error, "cannot accept connections"),
            }
        }
        self.lifecycle.listener_started();
        let mut end = pin!(async {
            match &self.until {
                Some(until) => until.cancelled().await,
                // An error means that Pingora has stopped.
                None => drop(shutdown.wait_for(|stopping| *stopping).await),
            }
        });
        tokio::select! {
            () = end.as_mut() => {}
            () = self.handed_over.cancelled() => {
                // The connections go on, each for one more request, which its client may have sent already.
                accepting.shutdown().await;
                self.acceptor.slots.drain();
                end.await;
            }
        }
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
    /// Serves few connections, with a budget of their own, so that they get responses while webhooks use up theirs.
    pub(super) fn small(
        service: S,
        timeouts: Timeouts,
        tasks: &TaskTracker,
        counts: Counts,
        spare: Option<Arc<Spare>>,
    ) -> Self {
        let budget = BodyBudget::new(ADMIN_CONNECTIONS * 2 * MAX_HEAD);
        let server = Arc::new(Server::new(service, |_, _| {}, timeouts, &budget, tasks));
        Self { server, slots: Slots::new(ADMIN_CONNECTIONS), tasks: tasks.clone(), counts, spare }
    }

    async fn accept(self, socket: Accepting, preamble: Preamble) {
        if let Some(spare) = &self.spare {
            spare.fill();
        }
        let mut is_exhausted = false;
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    is_exhausted = false;
                    self.serve(stream, peer, preamble.clone());
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

    fn serve(&self, stream: Socket, peer: Address, preamble: Preamble) {
        let Some(slot) = self.slots.take() else {
            self.counts.turned_away(TurnedAway::MaxConnections);
            tracing::debug!(%peer, "turned away: max_connections are open");
            return;
        };
        stream.send_at_once();
        let (server, spare) = (Arc::clone(&self.server), self.spare.clone());
        self.tasks.spawn(async move {
            server.serve(stream, peer, preamble, slot).await;
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
