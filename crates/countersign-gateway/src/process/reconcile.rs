//! The Pingora service that looks for missing jobs.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::watch;

use super::follow::follow;
use crate::reconcile::Reconciler;

/// Looks for the missing jobs of all routes that are configured to do so.
pub(super) struct Reconcile(pub(super) watch::Receiver<Vec<Arc<Reconciler>>>);

#[async_trait]
impl BackgroundService for Reconcile {
    async fn start(&self, _: ShutdownWatch) {
        follow(self.0.clone(), Vec::clone, Arc::ptr_eq, Reconciler::run).await;
    }
}
