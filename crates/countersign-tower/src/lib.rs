//! A Tower layer that lets only genuine, fresh and new webhooks reach a service.
//!
//! This page says what it does. The [`manual`] says why, and what to do: [threats](manual::threats),
//! [defaults](manual::defaults), [rotating a secret](manual::rotation),
//! [static against dynamic](manual::static_and_dynamic),
//! [why a signature does not fit](manual::signature_mismatch), [replay and retries](manual::replay),
//! [proxies that change bodies](manual::behind_a_proxy), and [observing first](manual::observing).
//!
//! For every request, in this order:
//!
//! 1. The source is chosen, where there are [several](PerRequest): 404 if there is none.
//! 2. The head is checked: the three webhook headers, the age, the signature's form. A request that
//!    fails here is rejected before its body is read.
//! 3. The body is read, byte for byte, up to [`body_limit`](VerifyLayer::body_limit), for at most
//!    [`body_timeout`](VerifyLayer::body_timeout), and within the [budget](BodyBudget) of all bodies
//!    together.
//! 4. The signature is verified over exactly these bytes.
//! 5. Events that nobody asked for are acknowledged with 204, if there is a
//!    [filter](VerifyLayer::events). An event whose type cannot be read passes, or is
//!    [rejected](policy::Untyped).
//! 6. The delivery is claimed. One that was handled before is acknowledged with 200; one that is being
//!    handled is told to come back, with 409.
//! 7. The service runs, with [`Verified`](countersign::Verified) in the request's extensions. If it
//!    answers 2xx the claim is confirmed; any other answer, an error, a panic or a dropped future
//!    releases it, so that the sender's retry is welcome.
//!
//! What is rejected is answered with `application/problem+json` ([RFC 9457]), the reason in `code`, and the
//! [`Rejection`] in the response's extensions. [`Rejection`] has the table of statuses. What became of each request is
//! told once, to the [report hook](VerifyLayer::on_report).
//!
//! The service is asked for readiness when there is a verified delivery for it, and not before: what
//! is not verified yet takes no place from what is. It waits within its lease.
//!
//! # How a request ends, and what becomes of its delivery
//!
//! | ending | the delivery | [`Outcome`] |
//! | --- | --- | --- |
//! | the service answers 2xx | confirmed: a retry is a duplicate | `Confirmed` |
//! | the service answers anything else | released: a retry is welcome | `Released` |
//! | the service, or a layer inside, gives an error (a [timeout] of tower) | released | `Released` |
//! | the service panics, and a layer inside catches it | as the answer that the layer makes of it, 500 | `Released` |
//! | the service panics, and a layer outside catches it, or nobody does | released | `Abandoned` |
//! | a time runs out in a layer inside that answers (408, 504) | released | `Released` |
//! | a time runs out in a layer outside | released | `Abandoned` |
//! | the sender hangs up before the body is whole | there is no claim yet | `Abandoned`, or `Rejected` |
//! | the sender hangs up while the store claims or confirms | a claim is released when it comes; a confirmation is recorded | `Abandoned` |
//! | the store does not respond within [`store_timeout`](VerifyLayer::store_timeout) | a claim is released when it comes; a confirmation is recorded when it comes | `Rejected`; `Unrecorded` |
//! | the sender hangs up while the service works | released; [detached](VerifyLayer::detach), as the service ends | `Abandoned`; as it ends |
//! | the answer's body fails half-way | confirmed by its head; at [`ConfirmAt::BodyEnd`](policy::ConfirmAt::BodyEnd), released | `Confirmed`; `Released` |
//! | the sender hangs up during the answer's body | confirmed by its head; at [`ConfirmAt::BodyEnd`](policy::ConfirmAt::BodyEnd), released | `Confirmed`; `Abandoned` |
//! | the server stops in good order | as the service ends, which is waited for | as it ends |
//! | the server is cut short | released where it has the time to; else its lease runs out | `Abandoned` |
//! | the lease runs out before the service is done | another attempt may claim it; if none has, it is confirmed | `Confirmed`; `Unrecorded` |
//!
//! # gRPC
//!
//! A unary call is a delivery like others: its body is one framed message, and what is signed is that body
//! with its frame. The layer stands on tonic's server (`Server::builder().layer(…)`) or around its
//! `Routes::into_axum_router()`, and needs no feature for it. Turn on [`VerifyLayer::grpc`]:
//! `VerifyLayer::new(verifier).grpc(true)`. A request over HTTP/2 with the content type `application/grpc`
//! then is a gRPC call:
//!
//! - A rejection is a trailers-only response: status 200, `grpc-status` as [`Rejection`]'s table says,
//!   `grpc-message`, and the reason in `countersign-code`.
//! - Only `grpc-status: 0`, in headers or trailers, confirms. The claim is held until the end of the response.
//! - A duplicate is a success, as its sender would go on otherwise: `grpc-status: 0` with a message of no
//!   bytes, which Protocol Buffers read as the default of any message, and `countersign-outcome` in the
//!   headers. To clients of other formats (`application/grpc+json`) that might be no message: they get
//!   `ALREADY_EXISTS`. So it is with events that are filtered out.
//! - A call with any other number of messages than one is rejected with `UNIMPLEMENTED`, unless streams are
//!   [buffered](VerifyLayer::buffer_grpc_streams).
//! - The path, which names the method, and the metadata are not signed, as no path and no other header of a
//!   webhook is. Let one method take deliveries, or give each a source of its own.
//! - A gRPC-Web response has its status in its body, which is not read: it confirms nothing.
//!
//! With the switch off, which is the default, the content type of a request changes nothing. A rejection has
//! its HTTP status, which gRPC clients map to a code of their own (401 is `UNAUTHENTICATED`), and an
//! acknowledged duplicate looks like a failed call to them. A response whose content type is gRPC is settled by
//! its `grpc-status` either way: the service wrote it, not the sender.
//!
//! # Runtime
//!
//! A body that does not come at once is timed with Tokio's timer: without a Tokio runtime, or with one whose
//! timer is not enabled (`enable_time`), it panics. A replay store that does not respond at once is timed too, and
//! needs the timer if there is a Tokio runtime. Without a runtime it has no time limit, and a claim whose sender hangs
//! up is held until its lease runs out. Nothing else needs a runtime.
//!
//! [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
//! [timeout]: https://docs.rs/tower/latest/tower/timeout/index.html
//!
//! # Features
//!
//! - `axum`: [extractors](https://docs.rs/countersign-tower/latest/countersign_tower/extract/index.html),
//!   `Webhook<T>` and `VerifiedDelivery`.
//! - `sign`: `SignLayer`, which signs the requests of a client or a test.
//! - `tracing`: a span `webhook` for each request, at level INFO, with `http.request.method`, `url.path`,
//!   `http.response.status_code`, `error.type` (the code of a rejection), and of what is verified
//!   `messaging.message.id` and `messaging.message.body.size`, named after [OpenTelemetry's conventions];
//!   and `countersign.source`, `.scheme`, `.key` and `.outcome`. What a service logs stands in it.
//!   If the replay store fails, its error is logged at level WARN.
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

/// The response header that says what became of a genuine delivery that was not handed to the service:
/// `duplicate` or `filtered`.
pub const COUNTERSIGN_OUTCOME: http::HeaderName = http::HeaderName::from_static("countersign-outcome");
