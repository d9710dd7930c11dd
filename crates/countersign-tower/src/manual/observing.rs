//! See first who would be refused.
//!
//! An endpoint that has run without verification has senders that nobody remembers. Find them before you refuse
//! them.
//!
//! 1. **Observe.** [`danger_observe`](crate::VerifyLayer::danger_observe) lets everything reach the service,
//!    and says what would have become of it: in the request's extensions ([`Observed`](crate::Observed)), and
//!    to [`OnReport`](crate::OnReport). All else is in earnest: bodies are read within their limits, deliveries
//!    are claimed and settled. It protects nothing: the endpoint is as open as it was.
//! 2. **Count** [outcomes](crate::Outcome) and [codes](crate::Refusal::code), as below or by the spans of the
//!    feature `tracing` (`countersign.outcome`, `error.type`). Wait for longer than your rarest sender is
//!    silent.
//! 3. **Explain** every code that you see: [`signature_mismatch`](super::signature_mismatch) has a cause and a
//!    cure for each. `missing_header` is who never signed; `signature_mismatch` for a sender you know is a
//!    wrong secret, or a [proxy](super::behind_a_proxy).
//! 4. **Enforce**, by taking `.danger_observe()` away. Where routes differ, one at a time. Keep the hook: an
//!    alert on `signature_mismatch` is how you learn of a rotation that was forgotten.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex, PoisonError};
//!
//! use bytes::Bytes;
//! use countersign::{Clock, MessageId, Secret, Signer, SystemClock, Verifier};
//! use countersign_tower::{Observed, ObservedBody, Report, VerifyLayer};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! type Counts = Arc<Mutex<BTreeMap<&'static str, u64>>>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let counts = Counts::default();
//! let count = {
//!     let counts = Arc::clone(&counts);
//!     move |report: &Report| {
//!         let what = report.refusal().map_or(report.outcome().as_str(), |refusal| refusal.code());
//!         *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
//!     }
//! };
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let verifier = Verifier::builder("jobs").secret(secret.clone()).build()?;
//! let layer = VerifyLayer::new(verifier).on_report(count).danger_observe(); // to enforce, take this away
//! let service = layer.layer(service_fn(|request: Request<ObservedBody<Full<Bytes>>>| async move {
//!     let passed = request.extensions().get::<Observed>() == Some(&Observed::Passed);
//!     let body = Bytes::from_static(if passed { b"genuine" } else { b"anybody's" });
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::new(body)))
//! }));
//!
//! let (id, signer) = (MessageId::parse("msg_1").ok_or("an id")?, Signer::new([secret])?);
//! for (signed, sent) in [("{}", "{}"), ("{}", "{ }")] {
//!     let mut request = Request::post("/jobs").body(Full::new(Bytes::from_static(sent.as_bytes())))?;
//!     request.headers_mut().extend(signer.sign(&id, SystemClock.now(), signed.as_bytes()));
//!     assert_eq!(service.clone().oneshot(request).await?.status(), 200); // both
//! }
//! let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
//! assert_eq!(*counts, BTreeMap::from([("confirmed", 1), ("signature_mismatch", 1)]));
//! # Ok(())
//! # }
//! ```
//!
//! While a layer observes:
//!
//! - A duplicate reaches the service, too: `Observed::Stopped(Outcome::Duplicate)`.
//! - A body that is not verified is worth what it was without a layer.
//! - The extractors of axum refuse what is not genuine: a handler that is to serve everybody meanwhile takes
//!   `Result<Webhook<T>, WebhookRejection>`, or `Option<Extension<Verified>>`.
//! - A body type that is neither axum's, hyper's nor tonic's has to be `Unpin`.
//!
//! The gateway has no such mode: what is in front of a backend that trusts its headers does not let anything
//! by.
