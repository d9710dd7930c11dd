use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use crate::reject::problem;
use crate::reject::rejection::Rejection;

/// The body of the response to a rejected request, and its media type.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The value of `Content-Type` (RFC 9110).
    pub content_type: HeaderValue,
    /// The body.
    pub body: Bytes,
}

/// Renders the body of a rejection. See [`VerifyLayer::render_rejections`](crate::VerifyLayer::render_rejections).
pub(crate) type Render = Arc<dyn Fn(&Rejection) -> Rendered + Send + Sync>;

/// A problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with the reason in `code`.
pub(crate) fn problem_document(rejection: &Rejection) -> Rendered {
    Rendered {
        content_type: problem::CONTENT_TYPE,
        body: problem::document(rejection.status(), rejection.code(), &rejection.to_string()),
    }
}
