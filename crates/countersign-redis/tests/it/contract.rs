//! The contract of replay stores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::conformance::{Subject, check};
use countersign_redis::RedisStore;
use countersign_test::redis_server::RedisServer;

use crate::support::{now, server};

/// Each store has a prefix of its own, and is therefore empty.
struct Redis {
    server: RedisServer,
    stores: AtomicUsize,
}

impl Subject for Redis {
    type Store = RedisStore;

    async fn store(&self, retain: Duration) -> RedisStore {
        let prefix = format!("store-{}", self.stores.fetch_add(1, Ordering::Relaxed));
        RedisStore::builder(self.server.url()).prefix(prefix).retain(retain).build().unwrap()
    }

    async fn small_store(&self, _: Duration, _: usize) -> Option<RedisStore> {
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
    check(&Redis { server, stores: AtomicUsize::new(0) }).await.unwrap_or_else(|violations| panic!("{violations}"));
}
