//! Signs deliveries, for senders, tests and the emulator.

mod ascii;
mod private_key;
mod signer;
mod token;

pub use private_key::{PrivateKey, PrivateKeyError};
pub use signer::{MAX_KEYS, Signer, SignerError};
pub use token::{TokenIssuer, TokenSigner, TokenSignerError};
