//! Everything passes, and what would have been rejected is said.

mod body;
mod future;
mod service;

pub use body::ObservedBody;
pub use future::ObserveFuture;
pub use service::{Observe, ObserveLayer};

use crate::report::Outcome;

/// What enforcing would have made of a request; in the request's extensions of every request that passes
/// an [`Observe`].
///
/// A genuine delivery has its [`Verified`](countersign::Verified) beside it, also where it would not have
/// reached the service. Any other may be forged: what is read from it is worth what it was without a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observed {
    /// The service would have been given it.
    Passed,
    /// The service would not have seen it: [`Outcome`] says why.
    Stopped(Outcome),
}
