//! A Tower layer that passes only authentic, recent, non-duplicate webhooks to a service.
//!
//! This page describes what the layer does. The [`manual`] explains the reasons, and how to operate the layer:
//! [threats](manual::threats), [defaults](manual::defaults), [rotating a secret](manual::rotation),
//! [static and dynamic webhooks](manual::static_and_dynamic),
//! [why a signature does not match](manual::signature_mismatch), [replay and retries](manual::replay),
//! [proxies that change bodies](manual::behind_a_proxy), and [observing before you enforce](manual::observing).
//!
//! The layer processes each request in this order:
//!
//! 1. It chooses the source, if there are [several](PerRequest). A request without a source is rejected with 404.
//! 2. It checks the head: the three webhook headers, the timestamp, and the form of the signature. A request that
//!    fails here is rejected before its body is read.
//! 3. It reads the body, byte for byte, up to [`body_limit`](VerifyLayer::body_limit), for at most
//!    [`body_timeout`](VerifyLayer::body_timeout), and within the [budget](BodyBudget) that all bodies share.
//! 4. It verifies the signature over exactly these bytes.
//! 5. If there is an [event filter](VerifyLayer::events), it acknowledges unwanted events with 204. An event whose
//!    type cannot be read passes, or is [rejected](policy::Untyped).
//! 6. It claims the message. A message that was handled before is acknowledged with 200. A message that is being
//!    handled is rejected with 409 and `Retry-After`.
//! 7. It calls the service, with [`Verified`](countersign::Verified) in the request's extensions. A 2xx response
//!    confirms the claim. Any other response, an error, a panic or a dropped future releases it, so that the sender
//!    can retry.
//!
//! The response to a rejected request is a problem document ([RFC 9457]) with the reason in `code`, and has the
//! [`Rejection`] in its extensions. [`Rejection`] lists the statuses. The [report hook](VerifyLayer::on_report) is
//! called once for each request, with its outcome.
//!
//! The layer polls the service for readiness only after verification, so unverified requests never occupy its
//! capacity. The wait counts toward the lease.
//!
//! # How a request ends, and what becomes of its delivery
//!
//! | ending | the delivery | [`Outcome`] |
//! | --- | --- | --- |
//! | the service returns 2xx | confirmed: a retry is a duplicate | `Confirmed` |
//! | the service returns any other status | released: a retry is handled | `Released` |
//! | the service, or a layer inside, returns an error (for example tower's [timeout]) | released | `Released` |
//! | the service panics, and a layer inside catches it and returns 500 | released | `Released` |
//! | the service panics, and a layer outside catches it, or none does | released | `Abandoned` |
//! | a layer inside times out and returns a response (408, 504) | released | `Released` |
//! | a layer outside times out | released | `Abandoned` |
//! | the sender disconnects before the body is complete | not claimed yet | `Abandoned` or `Rejected` |
//! | the sender disconnects while the store claims or confirms | a late claim is released; a confirmation is recorded | `Abandoned` |
//! | the store does not respond within [`store_timeout`](VerifyLayer::store_timeout) | a late claim is released; a late confirmation is recorded | `Rejected` for a claim, `Unrecorded` for a confirmation |
//! | the sender disconnects while the service works | released; with [`detach`](VerifyLayer::detach), settled when the service is done | `Abandoned`; with `detach`, the outcome of the service |
//! | the response body fails half-way | confirmed by its head; with [`ConfirmAt::BodyEnd`](policy::ConfirmAt::BodyEnd), released | `Confirmed`; with `BodyEnd`, `Released` |
//! | the sender disconnects during the response body | confirmed by its head; with [`ConfirmAt::BodyEnd`](policy::ConfirmAt::BodyEnd), released | `Confirmed`; with `BodyEnd`, `Abandoned` |
//! | the server shuts down gracefully | settled when the service is done, which the server waits for | the outcome of the service |
//! | the server is killed | released if there is time, or else free when its lease runs out | `Abandoned` |
//! | the lease runs out before the service is done | another attempt may claim it; if none has, it is confirmed | `Confirmed`, or `Unrecorded` if another attempt has claimed it |
//!
//! # gRPC
//!
//! A unary call is a delivery like any other. Its body is one framed message, and the signature covers the frame
//! too. Put the layer on tonic's server (`Server::builder().layer(…)`) or around its
//! `Routes::into_axum_router()`, and turn on [`VerifyLayer::grpc`]: `VerifyLayer::new(verifier).grpc(true)`. No
//! Cargo feature is needed. A request over HTTP/2 with the content type `application/grpc` is then a gRPC call:
//!
//! - A rejection is a trailers-only response: status 200, `grpc-status` from the table of [`Rejection`],
//!   `grpc-message`, and the reason in `countersign-code`.
//! - Only `grpc-status: 0`, in headers or trailers, confirms a claim. The claim lasts until the end of the response.
//! - A duplicate is a success, because its sender would retry otherwise. The response has `grpc-status: 0`, an empty
//!   message, which Protocol Buffers decode as the default value of any message type, and `countersign-outcome` in
//!   its headers. An empty message may be invalid in other formats (`application/grpc+json`), so their clients get
//!   `ALREADY_EXISTS`. Events that are filtered out get the same responses.
//! - A call with no message, or with several, is rejected with `UNIMPLEMENTED`, unless streams are
//!   [buffered](VerifyLayer::buffer_grpc_streams).
//! - Like the path and the other headers of any webhook, the path (which names the method) and the metadata are not
//!   signed. Receive deliveries with one method only, or use a separate source for each method.
//! - A gRPC-Web response has its status in its body, which the layer does not read. It confirms nothing.
//!
//! While [`VerifyLayer::grpc`] is off, which is the default, the content type of a request has no effect. A rejection
//! has its HTTP status, which gRPC clients map to a gRPC code (401 to `UNAUTHENTICATED`), and an acknowledged
//! duplicate looks like a failed call to them. A response with a gRPC content type is settled by its `grpc-status` in
//! either case, because the service wrote it and not the sender.
//!
//! # Runtime
//!
//! If a body is not available at once, Tokio's timer measures its timeout. The layer then panics without a Tokio
//! runtime whose timer is enabled (`enable_time`). If a replay store does not respond at once, its call is timed too,
//! which needs the timer if there is a Tokio runtime. Without a runtime, the call has no time limit, and a claim
//! whose sender disconnects lasts until its lease runs out. Nothing else needs a runtime.
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
//! [timeout]: https://docs.rs/tower/latest/tower/timeout/index.html
//!
//! # Features
//!
//! - `axum`: [extractors](https://docs.rs/countersign-tower/latest/countersign_tower/extract/index.html),
//!   `Webhook<T>` and `VerifiedDelivery`.
//! - `sign`: `SignLayer`, which signs the requests of a client or a test.
//! - `tracing`: a span `webhook` for each request, at level INFO. It has the fields `http.request.method`,
//!   `url.path`, `http.response.status_code`, `error.type` (the code of a rejection) and `countersign.outcome`.
//!   Verified requests also have `messaging.message.id`, `messaging.message.body.size`, `countersign.source`,
//!   `countersign.scheme` and `countersign.key`. Names follow [OpenTelemetry's conventions]. Log events of the
//!   service belong to the span. If the replay store fails, its error is logged at level WARN.
//!
//! [OpenTelemetry's conventions]: https://opentelemetry.io/docs/specs/semconv/
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

pub mod body;
pub mod detach;
#[cfg(feature = "axum")]
pub mod extract;
mod filter;
mod grpc;
pub mod manual;
pub mod policy;
pub mod read;
pub mod reject;
pub mod report;
mod settle;
#[cfg(feature = "sign")]
pub mod sign;
pub mod sources;
pub mod verify;

pub use body::{DeliveryBody, ResponseBody};
#[cfg(feature = "axum")]
pub use extract::{VerifiedDelivery, Webhook};
pub use read::BodyBudget;
pub use reject::Rejection;
pub use report::{Outcome, Report};
#[cfg(feature = "sign")]
pub use sign::SignLayer;
pub use sources::PerRequest;
pub use verify::{Verify, VerifyLayer};

/// The response header with the outcome of an authentic delivery that was acknowledged without the service:
/// `duplicate` or `filtered`.
pub const COUNTERSIGN_OUTCOME: http::HeaderName = http::HeaderName::from_static("countersign-outcome");
