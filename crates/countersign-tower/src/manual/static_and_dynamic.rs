//! Secrets, public keys, tokens, and which of them to configure.
//!
//! # Which
//!
//! | the sender | signs | configure |
//! | --- | --- | --- |
//! | any of Standard Webhooks 1.0.0 | `v1`: HMAC-SHA256 with a secret that both know (`whsec_…`) | [`secret`] |
//! | one with a public key (`whpk_…`) | `v1a`: Ed25519 (RFC 8032) | [`public_keys`] |
//! | Gemini, a **static** webhook: registered for a project | `v1` | [`secret`] |
//! | Gemini, a **dynamic** webhook: named in a request's `webhook_config` | as *seen* on live deliveries: `v1a`, with keys from a JWKS; as *documented*: a token (JWT, RS256) in place of the signatures, with keys from the same JWKS | a key set, and a [`token`] policy |
//!
//! For dynamic webhooks, configure both: what is sent may change to what is documented, and neither takes
//! anything from the other. The policy's audience is the URL of your endpoint as you wrote it into
//! `webhook_config`. Leave the policy out if you want no tokens: they are refused as `unsupported_scheme`.
//!
//! One verifier can hold secrets, pinned keys, a key set and a policy together, so static and dynamic webhooks
//! can share an address. What a delivery was signed with is in [`Verified::scheme`] and [`Verified::key`].
//!
//! ```no_run
//! use countersign::{Secret, SystemClock, TokenPolicy, Verifier};
//! use countersign_jwks::{Config, HttpFetch, Jwks, JwksUrl, RemoteKeys};
//! use countersign_tower::VerifyLayer;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = JwksUrl::parse("https://generativelanguage.googleapis.com/.well-known/jwks.json")?;
//! let jwks = Jwks::new(HttpFetch::new(url), Config::default(), SystemClock);
//! tokio::spawn(jwks.run());
//!
//! let verifier = Verifier::builder("gemini")
//!     .secret(Secret::parse(&std::env::var("GEMINI_WEBHOOK_SECRET")?)?) // static
//!     .token(TokenPolicy::new(["https://hooks.example.com/gemini"])) // dynamic, as documented
//!     .build()?;
//! let layer = VerifyLayer::new(RemoteKeys::new(verifier, jwks)); // dynamic, as seen
//! # drop(layer);
//! # Ok(())
//! # }
//! ```
//!
//! # A key set that lives
//!
//! `Jwks` of [`countersign-jwks`] fetches in the background, and no delivery waits for it while its key is
//! known:
//!
//! - A set is fetched again by its `Cache-Control` (RFC 9111), after 10 minutes where there is none, never
//!   sooner than 1 minute and never later than 24 hours.
//! - A delivery whose key is unknown has it fetched at once, and waits for that; once in 30 seconds, whoever
//!   asks. So a rotation costs the first delivery a moment, and a flood of forgeries costs nothing.
//! - While the source is down the last good set serves, for 24 hours (`Config::max_stale`). After that, and
//!   before there is a first set, deliveries that need a public key are answered 503, `keys_unavailable`. Those
//!   signed with a secret are not touched.
//! - Without `tokio::spawn(jwks.run())` it works by the second rule alone, and a key that was withdrawn serves
//!   longer.
//!
//! The address comes from your configuration and from nowhere else, by https (or http on loopback).
//!
//! # A token has to bind the body
//!
//! A token says who issued it and for whom, and not by itself for which body. Here its claims, less the
//! registered ones (RFC 7519: `iss`, `aud`, `exp`, …), have to equal the body as JSON, or one of them
//! (`body_sha256`, `request_body_sha256`) has to be its SHA-256. Else anybody who sees one delivery could send
//! its token with a body of their own: `body_not_bound`. The way around it is called
//! [`danger_accept_unbound_bodies`](countersign::TokenPolicy::danger_accept_unbound_bodies); behind it, read
//! nothing from the body.
//!
//! The `webhook-id` header beside a token is not signed. [`Verified::message_id`] is therefore the token's
//! `jti`, or the hash of what was signed.
//!
//! # A pinned key
//!
//! ```
//! use bytes::Bytes;
//! use countersign::{MessageId, PrivateKey, PublicKey, Scheme, Signer, UnixTime, Verifier};
//!
//! let private = PrivateKey::from_seed(&[7; 32]); // the sender's
//! let public = PublicKey::parse(&private.public())?.labelled("2026-11"); // whpk_…
//! let verifier = Verifier::builder("jobs").public_keys([public]).build()?;
//!
//! let (id, now) = (MessageId::parse("msg_1").ok_or("an id")?, UnixTime::from_secs(1_795_176_000));
//! let headers = Signer::with_keys([], [private])?.sign(&id, now, b"{}");
//! let verified = verifier.begin(&headers, now)?.finish(Bytes::from_static(b"{}"))?;
//! assert_eq!((verified.scheme(), verified.key()), (Scheme::V1a, "2026-11"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`secret`]: countersign::verifier::VerifierBuilder::secret
//! [`public_keys`]: countersign::verifier::VerifierBuilder::public_keys
//! [`token`]: countersign::verifier::VerifierBuilder::token
//! [`Verified::scheme`]: countersign::Verified::scheme
//! [`Verified::key`]: countersign::Verified::key
//! [`Verified::message_id`]: countersign::Verified::message_id
//! [`countersign-jwks`]: https://docs.rs/countersign-jwks
