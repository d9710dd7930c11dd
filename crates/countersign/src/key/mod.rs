//! Public keys: pinned keys, and the key sets of JWKS documents.
//!
//! ```
//! use countersign::KeySet;
//!
//! let set = KeySet::parse(
//!     br#"{"keys": [
//!         {"kty": "OKP", "crv": "Ed25519", "kid": "key-1", "x": "LgshSTq2B_MysnAgb9hcXRrVK_YdenixALrPznybVrk"},
//!         {"kty": "EC", "crv": "P-256", "kid": "ignored"}
//!     ]}"#,
//! )?;
//! assert_eq!(set.labels().collect::<Vec<_>>(), [("key-1", "v1a")]);
//! # Ok::<(), countersign::key::KeySetError>(())
//! ```

mod jwk;
#[cfg(any(feature = "v1a", feature = "rs256"))]
mod label;
#[cfg_attr(not(feature = "v1a"), path = "public_key_off.rs")]
mod public_key;
#[cfg_attr(not(feature = "rs256"), path = "rsa_off.rs")]
mod rsa;
mod set;
mod skipped;

#[cfg(not(feature = "v1a"))]
pub(crate) use public_key::PublicKey;
#[cfg(feature = "v1a")]
pub use public_key::{PublicKey, PublicKeyError};
#[cfg(feature = "rs256")]
pub(crate) use rsa::RsaKey;
pub use set::{KeySet, KeySetError};
pub use skipped::SkippedKey;
