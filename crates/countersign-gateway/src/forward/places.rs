//! How many connections to upstreams may be open, over all routes and threads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for a number of connections. A clone shares it.
///
/// One HTTP/2 connection from a sender can carry many deliveries at once, and each needs a connection to a backend.
/// Without a limit they would use up the files that the process may open.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

/// A place for one connection; free again when it is dropped.
pub(super) struct Place(#[expect(dead_code, reason = "it is kept until it is dropped")] OwnedSemaphorePermit);

impl Places {
    /// Room for so many connections, at least one.
    pub fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place, for at most `timeout`: connections that are idle are closed soon.
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
