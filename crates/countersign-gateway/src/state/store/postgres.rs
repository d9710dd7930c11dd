//! The engine "postgres".

use std::path::Path;
use std::sync::Arc;

use countersign::replay::StoreError;
use countersign_inbox::Inbox;
pub(super) use countersign_postgres::Pending as Call;
use countersign_postgres::PostgresStore;
pub(super) use countersign_postgres::PostgresStore as Store;

use super::figures::Figures;
use super::server::{address, authorities, invalid};
use crate::config::{PostgresSpec, Problem};

pub(super) fn open(server: &PostgresSpec, folder: &Path) -> Result<Store, Problem> {
    let ca = authorities(server.ca.as_ref(), folder)?;
    let builder = PostgresStore::builder(address("url", &server.url, folder)?).max_messages(server.max_messages);
    let builder = if let Some(ca) = ca { builder.ca(ca) } else { builder };
    builder.build().map_err(|error| invalid("url", &error))
}

pub(super) fn weaknesses(store: &Store) -> Result<Vec<String>, StoreError> {
    Ok(store.check().wait()?.iter().map(ToString::to_string).collect())
}

pub(super) async fn works(store: &Store) -> bool {
    store.check().await.is_ok()
}

pub(super) fn inbox(store: &Store) -> Arc<dyn Inbox> {
    Arc::new(store.clone())
}

pub(super) fn migrate(store: &Store) -> Result<(), StoreError> {
    store.migrate().wait()
}

#[expect(clippy::unnecessary_wraps, reason = "a gateway without PostgreSQL has no schema")]
pub(super) fn schema() -> Option<String> {
    Some(countersign_postgres::schema())
}

pub(super) fn figures(store: &Store) -> Figures {
    let stats = store.stats();
    Figures {
        batches: stats.batches,
        operations: stats.operations,
        errors: stats.errors,
        busy: stats.busy,
        queued: u64::try_from(stats.queued).unwrap_or(u64::MAX),
        messages: Some(stats.messages),
        ids: None,
        size: None,
        failing: stats.failing,
        full: None,
    }
}
