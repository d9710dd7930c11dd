//! The Pingora service that delivers the messages of inboxes.

use std::time::Duration;

use async_trait::async_trait;
use countersign_inbox::worker::SharedInbox;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::follow::follow;
use crate::inbox::{self, Destinations, Worker, overview};
use crate::lifecycle::Lifecycle;
use crate::state::State;

/// How long it may take to give back deliveries whose attempts did not end in time.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Delivers the messages of all routes with an inbox.
pub(super) struct Deliver {
    destinations: watch::Receiver<Destinations>,
    inbox: Option<SharedInbox>,
    lifecycle: Lifecycle,
    running: Deliveries,
}

impl Deliver {
    /// Delivers to `destinations` until the process is asked to stop. Attempts in progress are part of `running`.
    pub(super) fn new(
        destinations: watch::Receiver<Destinations>,
        state: &State,
        lifecycle: &Lifecycle,
        running: Deliveries,
    ) -> Self {
        Self { destinations, inbox: state.inbox.clone(), lifecycle: lifecycle.clone(), running }
    }
}

/// The workers that run. They end when the process is asked to stop and their attempts have ended.
#[derive(Clone, Default)]
pub(super) struct Deliveries {
    tasks: TaskTracker,
    /// Cancelled when the attempts in progress have to end.
    abandon: CancellationToken,
}

#[async_trait]
impl BackgroundService for Deliver {
    async fn start(&self, _: ShutdownWatch) {
        let (lifecycle, running) = (self.lifecycle.clone(), self.running.clone());
        let task = move |worker: Worker| {
            let (replaced, lifecycle) = (CancellationToken::new(), lifecycle.clone());
            let removed = replaced.clone();
            let stop = async move {
                tokio::select! {
                    () = lifecycle.stopping() => {}
                    () = removed.cancelled() => {}
                }
            };
            // After a reload without it, a worker ends once its attempts in progress have ended.
            running.tasks.spawn(worker.run_until(stop, running.abandon.clone().cancelled_owned()));
            async move {
                let _removed = replaced.drop_guard();
                std::future::pending::<()>().await;
            }
        };
        tokio::join!(
            follow(self.destinations.clone(), |found| found.workers.clone(), Worker::is_same, task),
            warn_of_removed(self.inbox.clone(), self.destinations.clone())
        );
    }
}

/// Warns of destinations that have deliveries but are not in the configuration, at the start and after each reload.
async fn warn_of_removed(inbox: Option<SharedInbox>, mut destinations: watch::Receiver<Destinations>) {
    let Some(inbox) = inbox else { return };
    loop {
        let present = destinations.borrow_and_update().clone();
        match overview(&inbox, &present).await {
            Ok(found) => {
                for warning in found.iter().filter_map(inbox::warning) {
                    tracing::warn!("{warning}");
                }
            }
            Err(error) => tracing::warn!(%error, "it is not known which destinations the inbox has deliveries for"),
        }
        if destinations.changed().await.is_err() {
            return;
        }
    }
}

impl Deliveries {
    /// Waits until all workers have ended. The process has to be asked to stop first.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends the attempts in progress, whose deliveries are due at once when the process runs again.
    pub(super) async fn abandon(&self) {
        self.abandon.cancel();
        if timeout(GIVE_BACK, self.ended()).await.is_err() {
            tracing::warn!("some deliveries were not given back: they are attempted again when their leases expire");
        }
    }
}
