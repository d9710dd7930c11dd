//! Extractors for handlers of [axum], behind the feature `axum`.
//!
//! [`Webhook`] is the payload of a verified delivery, [`VerifiedDelivery`] the verdict: who signed it, with
//! which key, when, and under which id. Both look at what [`VerifyLayer`](crate::VerifyLayer) left in the
//! request, read no body, and can stand in any order beside other extractors. The layer may be put around a
//! whole router, a nested one, or the method router of one route.
//!
//! | the request | the sender gets | the claim |
//! | --- | --- | --- |
//! | passed no layer | 500, `layer_missing` | there is none |
//! | could not be verified, and was [handed over](crate::policy::OnRejection::DangerHandOver) | as it would have been rejected | there is none |
//! | is genuine, and no `T` | 422, `unexpected_payload` | released: a retry is welcome, and may meet a handler that knows better |
//!
//! A handler that would rather acknowledge what it cannot read takes `Result<Webhook<T>, WebhookRejection>`
//! and answers 2xx.
//!
//! ```no_run
//! use axum::{Json, Router, routing::post};
//! use countersign::Verifier;
//! use countersign::gemini::{self, EventKind};
//! use countersign_tower::VerifyLayer;
//! use countersign_tower::extract::{VerifiedDelivery, Webhook};
//!
//! async fn gemini(Webhook(event): Webhook<gemini::Event>, VerifiedDelivery(delivery): VerifiedDelivery) {
//!     if event.kind == EventKind::BatchSucceeded {
//!         println!("{}: {:?}", delivery.message_id(), event.data.output_file_uri);
//!     }
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Invoice {
//!     number: String,
//! }
//!
//! async fn billing(Webhook(Json(invoice)): Webhook<Json<Invoice>>) {
//!     println!("{}", invoice.number);
//! }
//!
//! # fn app(gemini_verifier: Verifier, billing_verifier: Verifier) -> Router {
//! Router::new()
//!     .route("/gemini", post(gemini).layer(VerifyLayer::new(gemini_verifier)))
//!     .route("/billing", post(billing).layer(VerifyLayer::new(billing_verifier)))
//! # }
//! ```
//!
//! [axum]: https://docs.rs/axum

use std::fmt;

use ::axum::Json;
use ::axum::body::Body;
use ::axum::extract::FromRequestParts;
use ::axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign::Verified;
#[cfg(feature = "gemini")]
use countersign::gemini::Event;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::grpc::Protocol;
use crate::policy::Observed;
use crate::reject::problem;
use crate::reject::rejection::Rejection;
use crate::reject::render::problem_document;
use crate::reject::response;
use crate::report::Outcome;

/// The payload of a verified delivery, for example [`gemini::Event`](countersign::gemini::Event) or `Json<T>`: any [`Payload`].
///
/// It is parsed from the signed bytes. The [module](self) says what the sender gets if it cannot be parsed.
#[derive(Clone, Debug)]
pub struct Webhook<T>(pub T);

/// The verdict on a delivery: proof that it was signed by its source, recently, over exactly this body.
#[derive(Clone, Debug)]
pub struct VerifiedDelivery(pub Verified);

impl<S: Send + Sync, T: Payload> FromRequestParts<S> for Webhook<T> {
    type Rejection = WebhookRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebhookRejection> {
        T::from_verified(verified(parts)?).map(Self).map_err(WebhookRejection::UnexpectedPayload)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for VerifiedDelivery {
    type Rejection = WebhookRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebhookRejection> {
        verified(parts).cloned().map(Self)
    }
}

fn verified(parts: &Parts) -> Result<&Verified, WebhookRejection> {
    match (parts.extensions.get(), parts.extensions.get()) {
        (Some(verified), _) => Ok(verified),
        (None, Some(Observed::Stopped(Outcome::Rejected(rejection)))) => Err(WebhookRejection::Rejected(*rejection)),
        _ => Err(WebhookRejection::LayerMissing),
    }
}

/// What can be read from a verified delivery.
///
/// ```
/// use countersign::Verified;
/// use countersign_tower::extract::{Payload, PayloadError};
///
/// struct Text(String);
///
/// impl Payload for Text {
///     fn from_verified(verified: &Verified) -> Result<Self, PayloadError> {
///         let text = std::str::from_utf8(verified.body()).map_err(|error| PayloadError::new(error.to_string()))?;
///         Ok(Self(text.to_owned()))
///     }
/// }
/// ```
pub trait Payload: Sized {
    /// Reads it. An error is answered with 422, and releases the delivery.
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError>;
}

/// A Gemini API event.
#[cfg(feature = "gemini")]
impl Payload for Event {
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError> {
        verified.event().map_err(|error| PayloadError::new(error.to_string()))
    }
}

/// Whatever can be read from JSON.
impl<T: DeserializeOwned> Payload for Json<T> {
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError> {
        serde_json::from_slice(verified.body()).map(Json).map_err(|error| PayloadError::new(error.to_string()))
    }
}

/// The bytes that were signed, whatever they are.
impl Payload for Bytes {
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError> {
        Ok(verified.body().clone())
    }
}

/// Why a payload could not be read. The sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    detail: String,
}

impl PayloadError {
    /// An error with words for the sender.
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into() }
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for PayloadError {}

/// Why there is no webhook for a handler. As an answer it is a problem document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookRejection {
    /// No layer has seen the request: a mistake of the service, not of the sender. 500.
    LayerMissing,
    /// The layer only observes, and this is why it would have rejected the request.
    Rejected(Rejection),
    /// It is genuine, and not what the handler expects. 422.
    UnexpectedPayload(PayloadError),
}

impl WebhookRejection {
    /// The stable name of the reason, in snake case: the `code` of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LayerMissing => "layer_missing",
            Self::Rejected(rejection) => rejection.code(),
            Self::UnexpectedPayload(_) => "unexpected_payload",
        }
    }

    /// The status that it is answered with.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::LayerMissing => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Rejected(rejection) => rejection.status(),
            Self::UnexpectedPayload(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl IntoResponse for WebhookRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Rejected(rejection) => {
                let render = problem_document;
                response::rejection::<Body>(&rejection, Protocol::Http, render).map(Body::new)
            }
            _ => problem::response(self.status(), self.code(), &self.to_string()).map(Body::from),
        }
    }
}

impl fmt::Display for WebhookRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LayerMissing => f.write_str(
                "this handler takes webhooks, and nothing has verified this request: \
                 put `.layer(VerifyLayer::new(verifier))` of countersign-tower around its route",
            ),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::UnexpectedPayload(error) => write!(f, "genuine, and not what this endpoint expects: {error}"),
        }
    }
}

impl std::error::Error for WebhookRejection {}
