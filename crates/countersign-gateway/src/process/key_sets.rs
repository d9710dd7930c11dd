//! The Pingora service that keeps key sets up to date.

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;

use crate::source_keys::RemoteSet;

/// Fetches all key sets at startup and keeps them up to date.
pub(super) struct Refresh(pub(super) Vec<RemoteSet>);

#[async_trait]
impl BackgroundService for Refresh {
    async fn start(&self, _: ShutdownWatch) {
        for set in &self.0 {
            tokio::spawn(set.run());
        }
    }
}
