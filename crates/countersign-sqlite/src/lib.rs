//! Durable replay protection and a durable inbox for [`countersign`], in one SQLite file.
//!
//! [`SqliteStore`] is an [`Inbox`](countersign_inbox::Inbox), and [`SqliteStore::claims`] is a
//! [`ReplayStore`](countersign::replay::ReplayStore) for the sources that share the file. Everything that they
//! acknowledge is on disk: the file is in WAL mode with `synchronous = FULL`. One thread writes, and all operations that
//! arrive while it writes share the next sync.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use countersign_sqlite::{Options, SqliteStore};
//!
//! # fn main() -> Result<(), countersign_sqlite::OpenError> {
//! let store = SqliteStore::open("/var/lib/countersign/store.db", Options::default())?;
//! let claims = store.claims(Duration::from_secs(86_400), 1_000_000);
//! # Ok(())
//! # }
//! ```
//!
//! - **Two processes** may share a file on a local disk, for example during an upgrade. Each sees the ids of the other.
//! - **A full disk** rejects new claims and messages. Confirmations and acknowledgements continue, and everything
//!   continues once there is room. The file does not shrink: freed pages are used again.
//! - **Memory**: each remembered id takes 16 to 32 bytes, because ids are looked up in memory. Opening a file reads all
//!   of its ids: 5 million take about 3 s.

#![deny(missing_docs)]

mod batch;
mod claims;
mod deliveries;
mod destinations;
mod error;
mod expiry;
mod ids;
mod inbox;
pub mod inspect;
mod job;
mod listing;
mod open;
mod options;
mod queue;
mod replay;
mod replies;
mod rows;
mod schema;
mod size;
mod state;
mod stats;
mod store;
mod tally;
mod time;
mod waiting;
mod writer;

pub use error::OpenError;
pub use options::Options;
pub use replay::SqliteClaims;
pub use stats::Stats;
pub use store::SqliteStore;
pub use waiting::Waiting;
