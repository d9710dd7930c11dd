//! Replay protection: the contract between a receiver and the store that remembers its messages.
//!
//! A message is claimed before it is handled and settled afterwards. Confirming a claim marks the message as done, so
//! that duplicates are not handled while the store remembers it. Releasing a claim allows a retry. While a claim is
//! held, other attempts must be retried later. If a handler never settles its claim, the claim is lost when the lease
//! expires.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::replay::{Claim, MemoryStore, ReplayKey, ReplayStore, Settled};
//! use countersign::clock::{Clock, SystemClock};
//!
//! # fn main() -> Result<(), countersign::replay::StoreError> {
//! let (store, lease, now) = (MemoryStore::default(), Duration::from_secs(60), SystemClock.read());
//! let key = || ReplayKey::parse("gemini", "msg_1").expect("a valid key");
//!
//! // This store returns at once, so there is nothing to await.
//! let Claim::Fresh(token) = store.claim(key(), lease, now).into_inner()? else { panic!("the message is new") };
//! assert_eq!(store.claim(key(), lease, now).into_inner()?, Claim::InFlight);
//! // The message is handled here, successfully.
//! assert_eq!(store.confirm(token, now).into_inner()?, Settled::Recorded);
//! assert_eq!(store.claim(key(), lease, now).into_inner()?, Claim::Done);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod memory;

pub use contract::{Claim, ClaimToken, ReplayKey, ReplayKeyError, ReplayStore, Settled, StoreError, StoreErrorKind};
pub use memory::{MemoryStore, MemoryStoreBuilder};
