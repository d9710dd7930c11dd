//! How to put the layer into service, and what to rely on.
//!
//! The [crate's documentation](crate) says what the layer does with a request. These chapters say why, and what
//! to do.
//!
//! 1. [`threats`]: who attacks, what stops them, and what nothing here stops.
//! 2. [`defaults`]: what is set unless you set it, with the reasons.
//! 3. [`static_and_dynamic`]: secrets, public keys, tokens, and which of them to configure.
//! 4. [`observing`]: see first who would be refused.
//! 5. [`behind_a_proxy`]: what stands in front of the service, and changes bodies.
//! 6. [`signature_mismatch`]: why a signature does not fit, and every other reason for a refusal.
//! 7. [`rotation`]: replace a secret, step by step.
//! 8. [`replay`]: retries, duplicates, restarts, and handlers that can stand them.
//!
//! In most examples `countersign::Signer` plays the sender. The `countersign emulate` command plays it over a
//! socket, with retries, rotations and faults.

pub mod behind_a_proxy;
pub mod defaults;
pub mod observing;
pub mod replay;
pub mod rotation;
pub mod signature_mismatch;
pub mod static_and_dynamic;
pub mod threats;
