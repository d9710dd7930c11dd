//! Processes a request in stages: read, verify, claim, handle, settle, respond.

mod delivery;
pub(crate) mod future;
pub(crate) mod layer;
pub(crate) mod service;
mod stage;

pub use future::ResponseFuture;
pub use layer::VerifyLayer;
pub use service::Verify;
