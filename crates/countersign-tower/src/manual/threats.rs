//! Who attacks, what stops them, and what nothing here stops.
//!
//! An endpoint for webhooks is a public address that makes a service do things. What follows assumes that
//! anybody can reach it, that requests can be read where TLS ends, and that senders retry.
//!
//! # What is stopped
//!
//! | who | tries | what stops it |
//! | --- | --- | --- |
//! | anybody | to forge a delivery | the signature covers id, timestamp and body; a secret has 16 bytes at least, and tags are compared in constant time |
//! | | to have bodies read for nothing | the head is checked first: a request that cannot succeed is refused before its body is read |
//! | | to fill the memory, with one body or with many | [`body_limit`] for one (413), [`body_timeout`] for a slow one (408), one [`BodyBudget`] for all (503) |
//! | | to make verification expensive | one tag for each secret (8 at most) however many signatures are listed (32 at most); 64 trials of Ed25519 at most |
//! | | to take the places of a service that has few | the service is asked for readiness after the verdict, and not before |
//! | | to fill the replay store | ids are claimed after the verdict, so it takes a key to fill it |
//! | | to drive the fetching of keys | one fetch in 30 seconds for deliveries whose key is unknown, whoever asks |
//! | | to pick the algorithm: `none`, HS256 with a public key, a key or URL inside the token | RS256 alone, with keys of the configured set alone; `jku`, `jwk`, `x5u` and `x5c` are never read |
//! | who saw a delivery | to send it again, later | the timestamp is signed, and may be 5 minutes off |
//! | | to send it again, at once | its id is in flight (409) or done (200, without the service) |
//! | | to put another body, id or time under its signature | all three are signed; a token has to bind the body |
//! | | to send its token under another `webhook-id` | the id that counts is the token's own (`jti`, or its hash) |
//! | | to have it handled by another source's route | the keys of that source do not fit |
//! | who serves the keys for a while | to slip in keys of their own | https only; a set that is empty or cannot be read never replaces a good one; a set serves for 24 hours at most without its source |
//!
//! # What is not
//!
//! - **The path and the method are not signed**, nor are the query, the host, other headers, and the method of
//!   a gRPC call. Standard Webhooks 1.0.0 signs id, timestamp and body, and nothing else. Whoever gets hold of
//!   a delivery before you do can send it to *another route of the same source*. It is handled there; where
//!   both routes share a store, the real one then counts as a duplicate and is lost. Give each route a secret
//!   of its own, or let one route take all deliveries of a source and decide by the verified body. The example
//!   below does the former.
//! - **A full budget.** Whoever keeps sending bodies can keep the [`BodyBudget`] full, without a key. Memory
//!   stays bounded, and genuine senders get 503 and come back. Limit connections and requests per address in
//!   front of the service.
//! - **A sender that is compromised**, or a secret that leaked: it signs what it likes.
//!   [Rotate](super::rotation), with the old secret gone at once.
//! - **A replay across processes or restarts.** [`MemoryStore`](countersign::MemoryStore) knows what its own
//!   process has handled. See [`replay`](super::replay#restarts-and-several-instances).
//! - **What the service does with a verified body.** It is genuine, which is not the same as harmless: an
//!   address in it is the sender's choice.
//! - **Confidentiality.** Bodies are signed, not encrypted. TLS is the server's business.
//! - **A layer that only observes.** [`danger_observe`] protects nothing: see [`observing`](super::observing).
//!
//! # Routes with secrets of their own
//!
//! ```
//! use countersign::{MessageId, Secret, Signer, SystemClock, Clock, Verifier};
//! use countersign_tower::{PerRequest, VerifiedBody, VerifyLayer};
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jobs = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let billing = Secret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")?;
//! let for_jobs = Verifier::builder("jobs").secret(jobs.clone()).build()?;
//! let for_billing = Verifier::builder("billing").secret(billing).build()?;
//! let layer = VerifyLayer::new(PerRequest::new(move |head| match head.uri.path() {
//!     "/jobs" => Some(for_jobs.clone()),
//!     "/billing" => Some(for_billing.clone()),
//!     _ => None,
//! }));
//! let service = layer.layer(service_fn(|_: Request<VerifiedBody>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
//! }));
//!
//! // One delivery, signed for the jobs, and sent to three places.
//! let id = MessageId::parse("msg_1").ok_or("an id")?;
//! let headers = Signer::new([jobs])?.sign(&id, SystemClock.now(), b"{}");
//! for (path, status) in [
//!     ("/billing", StatusCode::UNAUTHORIZED),
//!     ("/jobs", StatusCode::OK),
//!     ("/elsewhere", StatusCode::NOT_FOUND),
//! ] {
//!     let mut request = Request::post(path).body(Full::new(Bytes::from_static(b"{}")))?;
//!     request.headers_mut().extend(headers.clone());
//!     assert_eq!(service.clone().oneshot(request).await?.status(), status);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`body_limit`]: crate::VerifyLayer::body_limit
//! [`body_timeout`]: crate::VerifyLayer::body_timeout
//! [`danger_observe`]: crate::VerifyLayer::danger_observe
//! [`BodyBudget`]: crate::BodyBudget
