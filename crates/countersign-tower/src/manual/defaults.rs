//! What is set unless you set it, with the reasons.
//!
//! | what | unless set | why | set it when |
//! | --- | --- | --- | --- |
//! | [tolerance] of timestamps | 5 minutes, both ways | senders' documentation asks for it; every attempt is signed anew, so retries need no more | your clocks differ by minutes, and cannot be mended |
//! | [`body_limit`] | 1 MiB | payloads are thin: what happened and where the result is | your sender's are larger; lower it where you know that they are small |
//! | [`body_timeout`] | 10 s | a sender gives up after 15 to 30 s | bodies come over slow links |
//! | [`body_budget`] | 256 MiB, all bodies together | a limit for one body bounds nothing when a thousand come at once | the process has less memory; several layers run in it: hand them clones of one |
//! | [`lease`] | 60 s | longer than senders wait; a handler that hangs frees its delivery | a handler takes longer: more than the longest that it may take |
//! | how long ids are [kept](countersign::replay::MemoryStoreBuilder::retain) | 25 hours | senders retry for 24, with a fresh timestamp each time and the same id | your sender retries for longer, or its deliveries are sent anew by hand |
//! | how many ids are [kept](countersign::replay::MemoryStoreBuilder::capacity) | 1,000,000 | a full store refuses (503) and never forgets early | more than that arrive in 25 hours |
//! | [`on_duplicate`] | acknowledge, 200 | an answer other than 2xx is retried, and after a while the endpoint is disabled | the handler wants to know of repetitions |
//! | [`on_store_failure`] | refuse, 503 | the sender comes back; a replay that is let through does not go away | handling can be repeated without harm. It has `Danger` in its name |
//! | [`confirm_at`] | the head of the answer | a handler has done its work by then | it works while it answers |
//! | gRPC | unary calls only | a signature is for one message, and a stream may wait for an answer that cannot come | the sender signs whole streams: [`buffer_grpc_streams`] |
//! | a sender that hangs up | its delivery is released | as with any service of hyper | handlers are slower than senders are patient: [`detach`] |
//! | refusals | problem documents (RFC 9457) | for programs and for people | your API has errors of its own form: [`render_refusals`] |
//! | secrets | 16 bytes at least, [short](countersign::Secret::is_short) under 24, 8 at most | bad base64 that decodes to nothing can be forged by anybody; a rotation needs two | |
//! | Ed25519 keys | 16 at most | a `v1a` signature names none, so each is tried | |
//! | a JWKS | fetched by its `Cache-Control`, within 1 minute and 24 hours; 24 hours at most without its source | a key that was withdrawn serves no longer than that | see [`static_and_dynamic`](super::static_and_dynamic#a-key-set-that-lives) |
//!
//! There is no timeout for the service: put one inside the layer, shorter than the lease. It answers or gives
//! an error, either of which releases the delivery.
//!
//! The figures belong together. Memory for bodies is the budget, whatever the limit: with 1 MiB and 256 MiB,
//! 256 of the largest bodies are held at one time, and a million of 252 bytes. A budget that is smaller than
//! the limit is the limit. The lease covers all that comes after the verdict: waiting for the service to be
//! ready, the handler, and with [`ConfirmAt::BodyEnd`](crate::ConfirmAt::BodyEnd) the answer's body.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use countersign::{MemoryStore, Secret, Verifier};
//! use countersign_tower::{BodyBudget, VerifyLayer};
//!
//! assert_eq!(VerifyLayer::DEFAULT_BODY_LIMIT, 1024 * 1024);
//! assert_eq!(VerifyLayer::DEFAULT_BODY_TIMEOUT, Duration::from_secs(10));
//! assert_eq!(VerifyLayer::DEFAULT_BODY_BUDGET, 256 * 1024 * 1024);
//! assert_eq!(VerifyLayer::DEFAULT_LEASE, Duration::from_secs(60));
//! assert_eq!(countersign::verifier::DEFAULT_TOLERANCE, Duration::from_secs(300));
//! assert_eq!(MemoryStore::DEFAULT_RETAIN, Duration::from_secs(25 * 3600));
//!
//! // A small process whose handlers take up to two minutes.
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let budget = BodyBudget::new(16 * 1024 * 1024);
//! let store = Arc::new(MemoryStore::builder().capacity(100_000).build());
//! let layer = VerifyLayer::new(Verifier::builder("jobs").secret(secret).build()?)
//!     .body_limit(64 * 1024)
//!     .body_budget(budget.clone())
//!     .lease(Duration::from_secs(150))
//!     .store(Arc::clone(&store));
//! # drop(layer);
//! // Both can be asked how it stands.
//! assert_eq!((budget.in_use(), store.len()), (0, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [tolerance]: countersign::verifier::VerifierBuilder::tolerance
//! [`body_limit`]: crate::VerifyLayer::body_limit
//! [`body_timeout`]: crate::VerifyLayer::body_timeout
//! [`body_budget`]: crate::VerifyLayer::body_budget
//! [`lease`]: crate::VerifyLayer::lease
//! [`on_duplicate`]: crate::VerifyLayer::on_duplicate
//! [`on_store_failure`]: crate::VerifyLayer::on_store_failure
//! [`confirm_at`]: crate::VerifyLayer::confirm_at
//! [`buffer_grpc_streams`]: crate::VerifyLayer::buffer_grpc_streams
//! [`detach`]: crate::VerifyLayer::detach
//! [`render_refusals`]: crate::VerifyLayer::render_refusals
