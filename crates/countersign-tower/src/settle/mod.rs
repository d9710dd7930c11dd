//! From the claim on a message to its confirmation or release.

pub(crate) mod body;
pub(crate) mod claim;
pub(crate) mod conclusion;
