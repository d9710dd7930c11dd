//! Another process takes over the listening sockets, while this one finishes its requests.
//!
//! The process that listens starts the program again (`successor.rs`), with one end of a pair of sockets as its standard
//! input. It passes its listening sockets through that (`channel.rs`), and the new process accepts on the very same sockets
//! (`predecessor.rs`), so that no connection is lost between the two. Once the new process has reported that it accepts
//! connections, the old one stops accepting. If that does not happen, nothing has changed.

mod channel;
mod predecessor;
mod successor;

use std::future::pending;

use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use super::service_manager::ServiceManager;
use super::sockets::Opened;
pub(super) use predecessor::Predecessor;

/// Hands the listening sockets over when it is asked to.
pub(super) struct Upgrader {
    opened: Opened,
    manager: ServiceManager,
    /// Cancelled when another process has taken over.
    handed_over: CancellationToken,
}

impl Upgrader {
    pub(super) fn new(opened: Opened, manager: ServiceManager, handed_over: CancellationToken) -> Self {
        Self { opened, manager, handed_over }
    }

    /// Starts a successor at each signal, until one has taken over. It never ends.
    pub(super) async fn serve(&mut self, mut signals: Signal) {
        while signals.recv().await.is_some() {
            tracing::info!("starting the program again, to hand over the listeners");
            match self.hand_over().await {
                Ok(process) => {
                    tracing::info!(process, "handed over the listeners");
                    self.manager.main_process(process);
                    self.opened.leave();
                    self.handed_over.cancel();
                    break;
                }
                Err(error) => tracing::error!("no other process has taken over, and this one goes on: {error}"),
            }
        }
        pending::<()>().await;
    }

    async fn hand_over(&self) -> std::io::Result<u32> {
        let sockets = self.opened.try_clone()?;
        successor::start(sockets)?.await.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()))
    }
}
