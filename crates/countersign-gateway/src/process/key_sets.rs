//! The Pingora service that keeps key sets up to date.

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::sync::watch;

use super::follow::follow;
use crate::source_keys::RemoteSet;

/// Fetches all key sets at startup and keeps them up to date.
pub(super) struct Refresh(pub(super) watch::Receiver<Vec<RemoteSet>>);

#[async_trait]
impl BackgroundService for Refresh {
    async fn start(&self, _: ShutdownWatch) {
        follow(self.0.clone(), Vec::clone, RemoteSet::is_same, |set| set.run()).await;
    }
}
