//! Replace a secret, step by step.
//!
//! A sender that rotates signs with the new secret and, for a while, with the old one too; all signatures stand
//! in one header, and one that fits is enough. So a receiver that knows both never refuses a genuine delivery,
//! whatever the order in which the two sides change.
//!
//! # The steps
//!
//! 1. **Rotate at the sender**, with grace. Gemini's `rotateSigningSecret` with
//!    `revoke_previous_secrets_after_h24` keeps both valid for 24 hours. It shows the new secret once: put it
//!    where your secrets are.
//! 2. **Configure both**, the new one first, the old one with the moment at which its grace ends. Label them,
//!    so that you can tell which one matched.
//! 3. **Deploy** within the grace.
//! 4. **Watch** [`Verified::key`](countersign::Verified::key), in reports, spans or the handler: the new label
//!    appears as soon as the sender uses the new secret, since it is tried first.
//! 5. **Remove the old secret** at your next change. Nothing hurries: from its
//!    [expiry](countersign::Secret::expiring_at) on it verifies nothing.
//!
//! Where the sender revokes the old secret at once, deliveries are refused with `signature_mismatch` from the
//! rotation until your deployment, and its retries arrive after that: nothing is lost within the time for which
//! it retries. If a secret **leaked**, do it so, and remove the old one in the same change: grace is for the
//! attacker as well.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{MessageId, Reason, Secret, Signer, UnixTime, Verifier};
//!
//! let rotated_at = 1_795_176_000;
//! let end_of_grace = UnixTime::from_secs(rotated_at + 24 * 3600);
//! # let (new, old) = ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
//! let new = Secret::parse(new)?.labelled("2026-11");
//! let old = Secret::parse(old)?.labelled("2026-08").expiring_at(end_of_grace);
//! let verifier = Verifier::builder("gemini").secrets([new.clone(), old.clone()]).build()?;
//!
//! let key = |by: &[Secret], secs| {
//!     let (id, now) = (MessageId::parse("msg_1").expect("a good id"), UnixTime::from_secs(secs));
//!     let headers = Signer::new(by.to_vec()).expect("a key").sign(&id, now, b"{}");
//!     let verified = verifier.begin(&headers, now)?.finish(Bytes::from_static(b"{}"))?;
//!     Ok::<_, countersign::Rejection>(verified.key().to_owned())
//! };
//! assert_eq!(key(&[old.clone()], rotated_at - 60)?, "2026-08"); // before the rotation
//! assert_eq!(key(&[old.clone(), new.clone()], rotated_at + 60)?, "2026-11"); // in the grace
//! assert_eq!(key(&[new], rotated_at + 25 * 3600)?, "2026-11"); // after it
//!
//! // Somebody who still has the old secret, after the grace:
//! # let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let refused = key(&[secret], rotated_at + 25 * 3600).expect_err("it has expired");
//! assert_eq!(refused.reason(), Reason::SignatureMismatch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without a restart
//!
//! The layer asks its keys for a verifier at every request, so a [`KeySource`](countersign::KeySource) that
//! holds the current one can be given another while the service runs. A restart would make a
//! [`MemoryStore`](countersign::MemoryStore) forget.
//!
//! ```
//! use std::future::{Ready, ready};
//! use std::sync::{Arc, PoisonError, RwLock};
//!
//! use countersign::{KeySource, Refreshed, Verifier};
//! use countersign_tower::VerifyLayer;
//!
//! struct Reloaded(RwLock<Verifier>);
//!
//! impl Reloaded {
//!     /// Called when the configuration was read again.
//!     fn set(&self, verifier: Verifier) {
//!         *self.0.write().unwrap_or_else(PoisonError::into_inner) = verifier;
//!     }
//! }
//!
//! impl KeySource for Reloaded {
//!     type Refreshing = Ready<Refreshed>;
//!
//!     fn verifier(&self) -> Verifier {
//!         self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
//!     }
//!
//!     fn refresh(&self, _: &Verifier) -> Ready<Refreshed> {
//!         ready(Refreshed::Unchanged)
//!     }
//! }
//!
//! # fn run(verifier: Verifier, newer: Verifier) {
//! let keys = Arc::new(Reloaded(RwLock::new(verifier)));
//! let layer = VerifyLayer::new(Arc::clone(&keys));
//! // … and later:
//! keys.set(newer);
//! # drop(layer);
//! # }
//! ```
//!
//! # Rehearse it
//!
//! The emulator rotates as the real API does, and a day passes when you say so. Start it, and your service with
//! the secret that it prints:
//!
//! ```sh
//! countersign emulate --webhook http://127.0.0.1:3000/gemini --seed 7
//! ```
//!
//! Rotate, and emit an event. It is signed with both secrets, so your service, which has the old one, takes it:
//!
//! ```sh
//! api=http://127.0.0.1:8790
//! curl -H 'x-goog-api-key: emulator' $api/v1beta/webhooks          # shows the webhook's id
//! curl -H 'x-goog-api-key: emulator' $api/v1beta/webhooks/ID:rotateSigningSecret \
//!   -d '{"revocation_behavior": "revoke_previous_secrets_after_h24"}'   # shows the new secret, once
//! curl $api/_emulator/events:emit -d '{"type": "batch.succeeded"}'
//! ```
//!
//! Configure both, restart, emit. Then let the grace end, and emit again: only the new secret signs now, and a
//! service that was forgotten in step 3 answers 401.
//!
//! ```sh
//! curl $api/_emulator/clock:advance -d '{"by": "24h"}'
//! curl $api/_emulator/events:emit -d '{"type": "batch.succeeded"}'
//! ```
//!
//! # Public keys
//!
//! A sender that publishes a JWKS rotates there, and [`countersign-jwks`] follows: there is nothing to do
//! (`POST /_emulator/keys:rotate` tries it). A key that you pinned (`whpk_…`) is yours to replace: list both
//! until the sender has changed over.
//!
//! [`countersign-jwks`]: https://docs.rs/countersign-jwks
