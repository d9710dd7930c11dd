use bytes::Bytes;
use http::HeaderValue;

use crate::problem;
use crate::rejection::Rejection;

/// Writes the body of a rejection's answer.
///
/// The status, and the headers that the status asks for, are the layer's: they cannot be forgotten. A gRPC
/// client gets neither body nor content type: its rejections are written by the layer alone.
///
/// Every function of a [`Rejection`] that gives a [`Rendered`] is one.
///
/// ```
/// use bytes::Bytes;
/// use countersign::Verifier;
/// use countersign_tower::{Rejection, Rendered, VerifyLayer};
/// use http::HeaderValue;
///
/// # fn layer(verifier: Verifier) {
/// let plain = HeaderValue::from_static("text/plain; charset=utf-8");
/// let layer = VerifyLayer::new(verifier).render_rejections(move |rejection: &Rejection| Rendered {
///     content_type: plain.clone(),
///     body: Bytes::from(format!("{rejection}\n")),
/// });
/// # drop(layer);
/// # }
/// ```
pub trait RenderRejection: Send + Sync + 'static {
    /// The body that says why, and its type.
    fn render(&self, rejection: &Rejection) -> Rendered;
}

/// The body of an answer, and its type.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The value of `Content-Type` (RFC 9110).
    pub content_type: HeaderValue,
    /// The body.
    pub body: Bytes,
}

impl<F: Fn(&Rejection) -> Rendered + Send + Sync + 'static> RenderRejection for F {
    fn render(&self, rejection: &Rejection) -> Rendered {
        self(rejection)
    }
}

/// Writes a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with the reason in
/// `code`: what a layer does unless told.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProblemDocument;

impl RenderRejection for ProblemDocument {
    fn render(&self, rejection: &Rejection) -> Rendered {
        Rendered {
            content_type: problem::CONTENT_TYPE,
            body: problem::document(rejection.status(), rejection.code(), &rejection.to_string()),
        }
    }
}
