//! Keys, clocks and servers.

use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock, ClockReading, SystemClock};
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use countersign_inbox::{Headers, NewMessage, StoredMessage};
use countersign_postgres::{PostgresStore, schema};
use countersign_test::postgres_server::PostgresServer;
use tempfile::TempDir;

/// A time limit that a busy machine does not reach.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A server with tables, and the folder with its files.
pub(crate) async fn server(options: &[&str]) -> (PostgresServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(folder.path(), options).await;
    server.run(&schema());
    (server, folder)
}

pub(crate) fn store(server: &PostgresServer) -> PostgresStore {
    PostgresStore::builder(server.url()).timeout(PATIENCE).build().unwrap()
}

pub(crate) fn now() -> ClockReading {
    SystemClock.read()
}

pub(crate) fn key(id: &str) -> ReplayKey {
    ReplayKey::parse("source", id).unwrap()
}

pub(crate) async fn claim(store: &PostgresStore, id: &str) -> Result<Claim, StoreError> {
    store.claim(key(id), LEASE, now()).await
}

pub(crate) async fn fresh(store: &PostgresStore, id: &str) -> ClaimToken {
    match claim(store, id).await {
        Ok(Claim::Fresh(token)) => token,
        other => panic!("expected a fresh claim on {id}, found {other:?}"),
    }
}

/// Claims and confirms.
pub(crate) async fn handle(store: &PostgresStore, id: &str) {
    let token = fresh(store, id).await;
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
}

/// A message for the destination `backend`.
pub(crate) fn message(id: &str, body: &[u8]) -> NewMessage {
    let message = StoredMessage {
        key: key(id),
        event_type: None,
        path: "/".to_owned(),
        headers: Headers::default(),
        body: body.to_vec().into(),
        received: UnixTime::from_secs(1_700_000_000),
    };
    NewMessage::new(message, "backend", Duration::from_secs(86_400))
}
