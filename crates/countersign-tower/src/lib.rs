//! A Tower layer that lets only genuine, fresh and new webhooks reach a service.
//!
//! For every request, in this order:
//!
//! 1. The head is checked: the three webhook headers, the age, the signature's form. A request that
//!    fails here is refused before its body is read.
//! 2. The body is read, byte for byte, up to [`body_limit`](VerifyLayer::body_limit) and for at most
//!    [`body_timeout`](VerifyLayer::body_timeout).
//! 3. The signature is verified over exactly these bytes.
//! 4. Events that nobody asked for are acknowledged with 204, if there is a
//!    [filter](VerifyLayer::events).
//! 5. The delivery is claimed. One that was handled before is acknowledged with 200; one that is being
//!    handled is told to come back, with 409.
//! 6. The service runs, with [`Verified`](countersign::Verified) in the request's extensions. If it
//!    answers 2xx the claim is confirmed; any other answer, an error, a panic or a dropped future
//!    releases it, so that the sender's retry is welcome.
//!
//! What is refused is answered with `application/problem+json` ([RFC 9457]), the reason in `code`, and
//! leaves a [`Report`] in the response's extensions, as every request does.
//!
//! The service is asked for readiness when there is a verified delivery for it, and not before: what
//! is not verified yet takes no place from what is. It waits within its lease.
//!
//! A dropped future releases the claim. hyper drops it when the sender hangs up: a service that goes
//! on working regardless belongs into a task of its own, with this layer inside that task.
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
//!
//! # Example
//!
//! ```no_run
//! use axum::{Extension, Router, routing::post};
//! use countersign::{Secret, Verified, Verifier};
//! use countersign_tower::VerifyLayer;
//!
//! async fn receive(Extension(webhook): Extension<Verified>) {
//!     println!("{} {:?}", webhook.message_id(), webhook.event());
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = Secret::parse(&std::env::var("GEMINI_WEBHOOK_SECRET")?)?;
//!     let verifier = Verifier::builder("gemini").secret(secret).build()?;
//!     let app = Router::new().route("/gemini", post(receive)).layer(VerifyLayer::new(verifier));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     Ok(axum::serve(listener, app).await?)
//! }
//! ```

#![deny(missing_docs)]

mod answer;
#[cfg(feature = "axum")]
pub mod axum;
mod body;
mod budget;
mod buffer;
mod claim;
mod delivery;
mod detach;
mod future;
mod grpc;
mod held;
mod layer;
mod observe;
mod policy;
pub mod problem;
mod refusal;
mod render;
mod report;
mod reporting;
mod service;
mod settle;
mod sources;
#[cfg_attr(not(feature = "tracing"), path = "trace_off.rs")]
mod trace;

pub use body::{ResponseBody, VerifiedBody};
pub use budget::BodyBudget;
pub use detach::{Detach, DetachLayer, FinishAnyway, Rest};
pub use future::ResponseFuture;
pub use layer::VerifyLayer;
pub use observe::{Observe, ObserveFuture, ObserveLayer, Observed, ObservedBody};
pub use policy::{ConfirmAt, OnDuplicate, OnStoreFailure, Unclaimed};
pub use refusal::Refusal;
pub use render::{ProblemDocument, RenderRefusal, Rendered};
pub use report::{OnReport, Outcome, Report};
pub use service::Verify;
pub use sources::{PerRequest, Refreshing, Sources};

/// The response header that says what became of a delivery that was not handed to the service.
pub const COUNTERSIGN_OUTCOME: http::HeaderName = http::HeaderName::from_static("countersign-outcome");
