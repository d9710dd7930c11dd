//! The text of the signature header: what it claims, before any key is tried.

pub(crate) mod list;
pub(crate) mod token;
