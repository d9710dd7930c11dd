//! A signed assertion for backends: a short-lived JWT that describes a verified request, and the key set that verifies
//! it. With it, a backend can prove that a request came through the gateway.

mod issuer;
mod key;
mod published;

pub use issuer::{Assertions, Facts, Issuer};
pub use key::SigningKey;
pub use published::Published;
