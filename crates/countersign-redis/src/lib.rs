//! A replay store for [`countersign`] in Redis 7 or later, or Valkey, which several receivers share.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use countersign_redis::RedisStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::builder("rediss://:password@redis.example.com/0").retain(Duration::from_secs(25 * 3600)).build()?;
//! for weakness in store.check().await? {
//!     eprintln!("redis: {weakness}");
//! }
//! // VerifyLayer::builder(verifier).store(store)
//! # Ok(())
//! # }
//! ```
//!
//! # What the server must be configured for
//!
//! A store must not forget a message id early. Redis forgets ids in two cases, and [`RedisStore::check`] reports both:
//!
//! - **It restarts without what it acknowledged.** Only `appendonly yes` with `appendfsync always` writes an id to disk
//!   before the response. With `appendfsync everysec`, a power cut loses the ids of the last second or two. Messages with
//!   these ids can be handled again.
//! - **It evicts ids when its memory is full.** Only `maxmemory-policy noeviction` rejects new ids instead
//!   ([`StoreErrorKind::Full`](countersign::replay::StoreErrorKind::Full)).
//!
//! Replication in Redis is asynchronous: a failover, with sentinels or in a cluster, can lose the ids of the last moments,
//! whatever the settings are. Use a store in PostgreSQL with synchronous replication if that is not acceptable.
//!
//! # Time
//!
//! Leases and retention are measured by the server, because the clocks of the receivers differ. Redis uses its time of
//! day. Let a time service slew it; if an operator sets it forward, ids expire early.
//!
//! # Failures
//!
//! Each call ends within [`RedisStoreBuilder::timeout`]. Within that time it is repeated over a new connection if the
//! connection is lost. A repeated claim or confirmation has the same number, so it has no other effect than the first. If
//! a confirmation did not succeed in that time, it is reported as failed, and the store continues to try for 30 s.

mod builder;
mod connection;
mod fill;
mod pending;
mod script;
mod servers;
mod stats;
mod store;
mod weakness;
mod worker;

pub use builder::{BuildError, RedisStoreBuilder};
pub use pending::Pending;
pub use stats::Stats;
pub use store::RedisStore;
pub use weakness::Weakness;
