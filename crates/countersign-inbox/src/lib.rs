//! The contract of a durable inbox for verified webhooks.
//!
//! A receiver stores a verified message in its [`Inbox`] and responds at once. Workers lease its deliveries, forward
//! them, and record the result: a success, a retry or a dead letter. Storing a message also records its id, so the inbox
//! rejects duplicates.
//!
//! This crate has the contract, its types and the retry [`Schedule`]. It performs no I/O: the inbox itself comes from
//! another crate, for example `countersign-sqlite`.
//!
//! - With the feature `worker`, the module `worker` delivers what an inbox contains.
//! - With the feature `conformance`, the module `conformance` tests an inbox against the contract.

#![deny(missing_docs)]

mod backlog;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod delivery;
mod error;
mod filter;
mod headers;
mod message;
mod retry_after;
mod schedule;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "worker")]
pub mod worker;

pub use backlog::Backlog;
pub use contract::{Enqueued, Inbox, Pending};
pub use delivery::{Delivery, DeliveryId, Leased, Receipt, State};
pub use error::InboxError;
pub use filter::{Filter, Keep};
pub use headers::{Headers, HeadersError, HeadersWriter};
pub use message::{NewDelivery, NewMessage, StoredMessage};
pub use retry_after::retry_after;
pub use schedule::Schedule;
