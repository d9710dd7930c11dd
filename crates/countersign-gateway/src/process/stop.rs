//! The end of the process, in this order: `/readyz` returns 503, the drain delay passes, the webhook listeners close,
//! requests and deliveries in progress finish, the admin listener closes.

use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ExecutionPhase, ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ServerError;
use super::inbox::Deliveries;
use super::service_manager::ServiceManager;
use crate::config;
use crate::lifecycle::Lifecycle;

/// How long connections may be used for one more request after another process has taken over.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the responses of the admin listener may take at the end.
const LAST_SCRAPE: Duration = Duration::from_secs(1);

/// Carries out the end of the process.
pub(super) struct Stop {
    lifecycle: Lifecycle,
    manager: ServiceManager,
    drain_delay: Duration,
    timeout: Duration,
    /// Cancelled by a second signal during the drain delay.
    at_once: CancellationToken,
    /// Cancelled when another process has taken over the listeners.
    pub(super) handed_over: CancellationToken,
    /// The end of the admin listener.
    pub(super) admin: AdminEnd,
    /// The workers of inboxes.
    pub(super) deliveries: Deliveries,
}

/// The end of the admin listener, which serves until the process ends.
#[derive(Clone)]
pub(super) struct AdminEnd {
    /// Cancelled when the listener has to close.
    pub(super) token: CancellationToken,
    /// Its connections.
    pub(super) tasks: TaskTracker,
}

impl Stop {
    /// Stops as configured. `lifecycle` and the service manager are told first.
    pub(super) fn new(config: &config::Server, lifecycle: Lifecycle, manager: ServiceManager) -> Self {
        let admin = AdminEnd { token: CancellationToken::new(), tasks: TaskTracker::new() };
        let (drain_delay, timeout) = (config.drain_delay.unwrap_or_default(), config.shutdown_timeout);
        let (at_once, handed_over) = (CancellationToken::new(), CancellationToken::new());
        let deliveries = Deliveries::default();
        Self { lifecycle, manager, drain_delay, timeout, at_once, handed_over, admin, deliveries }
    }

    /// What stops the process, whose connections are among these tasks.
    pub(super) fn signals(&self, tasks: &TaskTracker) -> Signals {
        let Self { lifecycle, manager, drain_delay, at_once, handed_over, .. } = self;
        Signals {
            lifecycle: lifecycle.clone(),
            manager: manager.clone(),
            drain_delay: *drain_delay,
            at_once: at_once.clone(),
            handed_over: handed_over.clone(),
            tasks: tasks.clone(),
        }
    }

    /// Waits for connections, requests and deliveries to finish, for at most the timeout, or until a second signal.
    pub(super) async fn finish(&self, tasks: &TaskTracker) {
        tracing::info!(open = tasks.len(), "stopping");
        tasks.close();
        let second_signal = async {
            tokio::select! {
                () = self.at_once.cancelled() => {}
                () = asked_to_stop() => {}
            }
        };
        let why = tokio::select! {
            ((), ()) = async { tokio::join!(tasks.wait(), self.deliveries.ended()) } => None,
            () = tokio::time::sleep(self.timeout) => Some("stopped before all requests had finished"),
            () = second_signal => Some("stopped at once, as asked"),
        };
        if let Some(why) = why {
            self.deliveries.abandon().await;
            return tracing::warn!(timeout = ?self.timeout, "{why}");
        }
        let AdminEnd { token, tasks } = &self.admin;
        tasks.close();
        // A client that is slower misses the last response.
        let last_responses = || tokio::time::timeout(LAST_SCRAPE, tasks.wait());
        if self.handed_over.is_cancelled() {
            // Accepted a moment before, a connection may not have sent its request yet.
            let _ = last_responses().await;
        }
        token.cancel();
        let _ = last_responses().await;
        tracing::info!("stopped");
    }
}

/// Waits until Pingora was told to stop and has told its listeners.
pub(super) async fn listeners_closed(mut phases: broadcast::Receiver<ExecutionPhase>) -> Result<(), ServerError> {
    loop {
        match phases.recv().await {
            Ok(ExecutionPhase::GracefulTerminate) => return Ok(()),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(ServerError::Ended),
        }
    }
}

/// What stops the gateway, in place of Pingora's own choice.
pub(super) struct Signals {
    lifecycle: Lifecycle,
    manager: ServiceManager,
    drain_delay: Duration,
    at_once: CancellationToken,
    handed_over: CancellationToken,
    tasks: TaskTracker,
}

impl Signals {
    /// Lets each connection send one more request.
    async fn drain(&self) {
        self.lifecycle.hand_over();
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = tokio::time::sleep(DRAIN) => {}
            () = asked_to_stop() => self.at_once.cancel(),
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        tokio::select! {
            () = asked_to_stop() => {}
            () = self.handed_over.cancelled() => {
                self.drain().await;
                return ShutdownSignal::GracefulTerminate;
            }
        }
        self.lifecycle.stop();
        self.manager.stopping();
        if !self.drain_delay.is_zero() {
            tracing::info!(drain_delay = ?self.drain_delay, "about to stop; connections are still accepted");
            tokio::select! {
                () = tokio::time::sleep(self.drain_delay) => {}
                () = asked_to_stop() => self.at_once.cancel(),
            }
        }
        ShutdownSignal::GracefulTerminate
    }
}

/// Waits for a signal that asks the process to stop.
async fn asked_to_stop() {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut quit)] = kinds.map(signal) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = quit.recv() => {}
    }
}
