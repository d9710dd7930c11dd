//! The limit on connections to upstreams, over all routes and threads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit on connections. Clones share it.
///
/// One HTTP/2 connection from a sender can carry many concurrent deliveries, and each needs a connection to a backend.
/// Without a limit, they could use up the open files of the process.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

/// A place for one connection. Dropping it frees the place.
pub(super) struct Place(#[expect(dead_code, reason = "it is kept until it is dropped")] OwnedSemaphorePermit);

impl Places {
    /// Creates a limit of this many connections, at least one.
    pub fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place, for at most `timeout`. Idle connections are closed after a short time and free theirs.
    pub(super) async fn take(&self, timeout: Duration) -> io::Result<Place> {
        let place = tokio::time::timeout(timeout, Arc::clone(&self.0).acquire_owned()).await;
        match place {
            Ok(Ok(permit)) => Ok(Place(permit)),
            _ => Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "all connections to upstreams that the limit on open files allows are in use: raise the limit \
                 (ulimit -n, LimitNOFILE), or send less at once",
            )),
        }
    }
}
