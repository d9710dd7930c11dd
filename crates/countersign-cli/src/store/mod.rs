//! What is in the file of a store, as text and as JSON.

mod stats;

pub(crate) use stats::{document, size, text};
