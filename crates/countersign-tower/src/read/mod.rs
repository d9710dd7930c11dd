//! Reads bodies, within their limits.

pub(crate) mod budget;
pub(crate) mod buffer;
mod source;

pub use budget::{BodyBudget, OverBudget, Reservation};
