//! Signs deliveries, for senders, tests and the emulator.

mod ascii;
#[cfg_attr(not(feature = "v1a"), path = "private_key_off.rs")]
mod private_key;
mod signer;
#[cfg(feature = "rs256")]
mod token;

#[cfg(feature = "v1a")]
pub use private_key::{PrivateKey, PrivateKeyError};
pub use signer::{MAX_KEYS, Signer, SignerError};
#[cfg(feature = "rs256")]
pub use token::{TokenIssuer, TokenSigner, TokenSignerError};
