//! One file for each verb: its arguments, what it does, and what it prints.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod emulate;
pub(crate) mod explain;
pub(crate) mod forget;
pub(crate) mod inbox;
pub(crate) mod jwks;
pub(crate) mod listen;
pub(crate) mod man;
pub(crate) mod reconcile;
pub(crate) mod secret;
pub(crate) mod send;
pub(crate) mod sign;
pub(crate) mod store;
pub(crate) mod verify;
