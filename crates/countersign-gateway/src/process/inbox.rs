//! The Pingora service that delivers the messages of inboxes.

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::follow::follow;
use crate::inbox::Worker;
use crate::lifecycle::Lifecycle;

/// Delivers the messages of all routes with an inbox.
pub(super) struct Deliver {
    pub(super) workers: watch::Receiver<Vec<Worker>>,
    pub(super) lifecycle: Lifecycle,
    /// The attempts, which finish before the process ends.
    pub(super) tasks: TaskTracker,
}

#[async_trait]
impl BackgroundService for Deliver {
    async fn start(&self, _: ShutdownWatch) {
        let (lifecycle, tasks) = (self.lifecycle.clone(), self.tasks.clone());
        let task = move |worker: Worker| worker.run(lifecycle.clone(), tasks.clone());
        follow(self.workers.clone(), Worker::is_same, task).await;
    }
}
