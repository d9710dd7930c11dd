//! The contract of replay stores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::conformance::{Subject, check};
use countersign_postgres::{PostgresStore, schema};
use countersign_test::postgres_server::PostgresServer;

use crate::support::{PATIENCE, now, server};

/// Each store has a namespace of its own in the database, and is therefore empty.
struct Postgres {
    server: PostgresServer,
    stores: AtomicUsize,
}

impl Subject for Postgres {
    type Store = PostgresStore;

    async fn store(&self, retain: Duration) -> PostgresStore {
        let name = format!("store_{}", self.stores.fetch_add(1, Ordering::Relaxed));
        self.server.run(&format!("CREATE SCHEMA {name}; SET search_path = {name}; {}", schema()));
        let url = format!("{}?options=-csearch_path%3D{name}", self.server.url());
        PostgresStore::builder(url).retain(retain).timeout(PATIENCE).build().unwrap()
    }

    async fn small_store(&self, _: Duration, _: usize) -> Option<PostgresStore> {
        None
    }

    fn now(&self) -> ClockReading {
        now()
    }

    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

#[tokio::test]
async fn the_store_keeps_the_contract() {
    let (server, _folder) = server(&[]).await;
    check(&Postgres { server, stores: AtomicUsize::new(0) }).await.unwrap_or_else(|violations| panic!("{violations}"));
}
