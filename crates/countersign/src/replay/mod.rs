//! A retry is not a replay: the contract between whoever handles deliveries and whoever remembers
//! them.
//!
//! A delivery is claimed before it is handled, and settled after. What was handled with success is
//! confirmed and never handled again while it is remembered; what failed is released and stays
//! welcome; what is being handled is told to come back. A handler that never settles loses its claim
//! when the lease runs out.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::replay::{Claim, MemoryStore, ReplayKey, ReplayStore, Settled};
//! use countersign::{Clock, SystemClock};
//!
//! # fn main() -> Result<(), countersign::replay::StoreError> {
//! let (store, lease, now) = (MemoryStore::default(), Duration::from_secs(60), SystemClock.read());
//! let key = || ReplayKey::parse("gemini", "msg_1").expect("a good key");
//!
//! // This store answers at once, so there is nothing to await.
//! let Claim::Fresh(token) = store.claim(key(), lease, now).into_inner()? else { panic!("it is new") };
//! assert_eq!(store.claim(key(), lease, now).into_inner()?, Claim::InFlight);
//! // The delivery is handled here, with success.
//! assert_eq!(store.confirm(token, now).into_inner()?, Settled::Recorded);
//! assert_eq!(store.claim(key(), lease, now).into_inner()?, Claim::Done);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod memory;

pub use contract::{Claim, ClaimToken, ReplayKey, ReplayKeyError, ReplayStore, Settled, StoreError};
pub use memory::{MemoryStore, MemoryStoreBuilder};
