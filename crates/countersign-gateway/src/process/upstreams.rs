//! The Pingora service that keeps the addresses and the health of upstreams up to date.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::watch;

use super::follow::follow;
use crate::upstream::Upstreams;

/// Resolves and checks the upstreams of all routes.
pub(super) struct Watch(pub(super) watch::Receiver<Vec<Arc<Upstreams>>>);

#[async_trait]
impl BackgroundService for Watch {
    async fn start(&self, _: ShutdownWatch) {
        follow(self.0.clone(), Vec::clone, Arc::ptr_eq, |upstreams| async move { upstreams.run().await }).await;
    }
}
