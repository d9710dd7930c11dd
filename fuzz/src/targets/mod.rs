//! One file for each target.

#[cfg(feature = "gateway")]
pub(crate) mod accelerator;
pub(crate) mod binding;
#[cfg(feature = "gateway")]
pub(crate) mod config;
pub(crate) mod events;
pub(crate) mod heads;
pub(crate) mod jwks;
#[cfg(feature = "gateway")]
pub(crate) mod plain;
#[cfg(feature = "gateway")]
pub(crate) mod proxy;
pub(crate) mod secrets;
pub(crate) mod signatures;
pub(crate) mod tokens;
