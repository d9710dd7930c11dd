//! A replay store and an inbox for [`countersign`] in PostgreSQL 13 or later, which several receivers share.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use countersign_postgres::PostgresStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::builder("postgres://countersign@db.example.com/countersign?sslmode=require")
//!     .retain(Duration::from_secs(25 * 3600))
//!     .build()?;
//! store.migrate().await?;
//! for weakness in store.check().await? {
//!     eprintln!("postgres: {weakness}");
//! }
//! // VerifyLayer::builder(verifier).store(store)
//! # Ok(())
//! # }
//! ```
//!
//! # The schema
//!
//! [`PostgresStore::migrate`] creates the tables, and brings tables of an older version up to date. It needs the right to
//! create tables. Otherwise run [`schema`] as a user with that right, and grant `SELECT, INSERT, UPDATE, DELETE` on the
//! tables. [`PostgresStore::check`] fails if the tables are missing or of another version.
//!
//! # Connections
//!
//! Calls that wait at the same time share one statement, one transaction and one write to disk. A store has at most six
//! connections, and eleven if it is also used as an inbox. It uses no prepared statements and no other state of a session, so it works through a pooler in
//! transaction mode.
//!
//! Several hosts in the address, with `target_session_attrs=read-write`, make the store follow a failover. Only with
//! synchronous replication (`synchronous_standby_names`) does a failover keep all ids.
//!
//! # The inbox
//!
//! [`PostgresStore`] is also an [`Inbox`](countersign_inbox::Inbox). A message, its id and its deliveries are stored in one
//! transaction. Workers of several processes share the deliveries: each leases different ones. The number of messages is
//! limited by [`PostgresStoreBuilder::max_messages`].
//!
//! # Time
//!
//! Leases and retention are measured by the server, because the clocks of the receivers differ. Let a time service slew
//! its clock; if an operator sets it forward, ids expire early.
//!
//! # Failures
//!
//! Each call ends within [`PostgresStoreBuilder::timeout`]. Within that time it is repeated over a new connection if the
//! connection is lost. A repeated claim or confirmation has the same number, so it has no other effect than the first. If
//! a confirmation did not succeed in that time, it is reported as failed, and the store continues to try for 30 s.

mod builder;
mod claims;
mod deliveries;
mod destinations;
mod endings;
mod enqueue;
mod inbox;
mod inbox_worker;
mod known;
mod lane;
mod pending;
mod removal;
mod room;
mod schema;
mod session;
mod settings;
mod settlements;
mod stats;
mod store;
mod tls;
mod upkeep;
mod values;
mod weakness;
mod worker;

pub use builder::{BuildError, PostgresStoreBuilder};
pub use pending::Pending;
pub use schema::schema;
pub use stats::Stats;
pub use store::PostgresStore;
pub use weakness::Weakness;
