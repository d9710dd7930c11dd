//! Extractors for [axum] handlers. Requires the feature `axum`.
//!
//! [`Webhook`] extracts the payload of a verified delivery. [`VerifiedDelivery`] extracts the result of its
//! verification: the source, the key, the time of the signature and the message id. Both read the request's
//! extensions, where [`VerifyLayer`](crate::VerifyLayer) put them. They do not consume the body, so they work in any
//! order with other extractors. Put the layer around a whole router, a nested router, or the method router of one
//! route.
//!
//! | the request | the sender gets | the claim |
//! | --- | --- | --- |
//! | passed through no layer | 500, `layer_missing` | none |
//! | was not verified, and was [passed on](crate::policy::OnRejection::DangerHandOver) | the rejection that the layer would have returned | none |
//! | is authentic, but its body cannot be parsed as `T` | 422, `unexpected_payload` | released, so that a corrected handler can handle a retry |
//!
//! To acknowledge payloads that cannot be parsed, extract `Result<Webhook<T>, WebhookRejection>` in the handler and
//! return 2xx.
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

/// The payload of a verified delivery: any [`Payload`], for example [`gemini::Event`](countersign::gemini::Event) or
/// `Json<T>`.
///
/// It is parsed from the signed bytes. The [module](self) lists the responses if it cannot be extracted.
#[derive(Clone, Debug)]
pub struct Webhook<T>(pub T);

/// A verified delivery: its source signed exactly this body, within the timestamp tolerance.
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

/// A type that can be parsed from a verified delivery.
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
    /// Parses the body. If this fails, the response is 422, which releases the delivery.
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError>;
}

/// A Gemini API event.
#[cfg(feature = "gemini")]
impl Payload for Event {
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError> {
        verified.event().map_err(|error| PayloadError::new(error.to_string()))
    }
}

/// Any type that can be deserialized from JSON.
impl<T: DeserializeOwned> Payload for Json<T> {
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError> {
        serde_json::from_slice(verified.body()).map(Json).map_err(|error| PayloadError::new(error.to_string()))
    }
}

/// The signed bytes, without parsing.
impl Payload for Bytes {
    fn from_verified(verified: &Verified) -> Result<Self, PayloadError> {
        Ok(verified.body().clone())
    }
}

/// Why a payload could not be parsed. The sender sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    detail: String,
}

impl PayloadError {
    /// Creates an error with an explanation for the sender.
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

/// Why no webhook could be extracted for a handler. Its response is a problem document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookRejection {
    /// The request passed through no layer, which is a mistake of the service, not of the sender. Status 500.
    LayerMissing,
    /// The layer only observes. It would have rejected the request for this reason.
    Rejected(Rejection),
    /// The delivery is authentic, but its body cannot be parsed as the type that the handler expects. Status 422.
    UnexpectedPayload(PayloadError),
}

impl WebhookRejection {
    /// The stable name of the reason, in snake case: the `code` of the problem document.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LayerMissing => "layer_missing",
            Self::Rejected(rejection) => rejection.code(),
            Self::UnexpectedPayload(_) => "unexpected_payload",
        }
    }

    /// The status of the response.
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
                "this handler accepts verified webhooks only, and no layer has verified this request: \
                 add `.layer(VerifyLayer::new(verifier))` of countersign-tower to its route",
            ),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::UnexpectedPayload(error) => {
                write!(f, "the webhook is authentic, but its body is not what this endpoint expects: {error}")
            }
        }
    }
}

impl std::error::Error for WebhookRejection {}
