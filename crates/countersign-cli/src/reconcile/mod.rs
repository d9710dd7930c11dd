//! What `reconcile` has found, and how it is shown.

mod found;

pub(crate) use found::Found;
