//! Keys, clocks and servers.

use std::time::Duration;

use countersign::clock::{Clock, ClockReading, SystemClock};
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};
use countersign_redis::RedisStore;
use countersign_test::redis_server::RedisServer;
use tempfile::TempDir;

pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A server, and the folder with its files.
pub(crate) async fn server(options: &[&str]) -> (RedisServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (RedisServer::start(folder.path(), options).await, folder)
}

pub(crate) fn now() -> ClockReading {
    SystemClock.read()
}

pub(crate) fn key(id: &str) -> ReplayKey {
    ReplayKey::parse("source", id).unwrap()
}

pub(crate) async fn claim(store: &RedisStore, id: &str) -> Result<Claim, StoreError> {
    store.claim(key(id), LEASE, now()).await
}

pub(crate) async fn fresh(store: &RedisStore, id: &str) -> ClaimToken {
    match claim(store, id).await {
        Ok(Claim::Fresh(token)) => token,
        other => panic!("expected a fresh claim on {id}, found {other:?}"),
    }
}

/// Claims and confirms.
pub(crate) async fn handle(store: &RedisStore, id: &str) {
    let token = fresh(store, id).await;
    assert_eq!(store.confirm(token, now()).await, Ok(Settled::Recorded));
}
