//! Problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), for the error responses of a layer or a
//! gateway.
//!
//! ```
//! use countersign_tower::reject::problem;
//! use http::StatusCode;
//!
//! let response = problem::response(StatusCode::NOT_FOUND, "no_route", "this path has no route");
//! assert_eq!(response.status(), StatusCode::NOT_FOUND);
//! assert_eq!(response.headers()["content-type"], "application/problem+json");
//! ```

use bytes::Bytes;
use http::header;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Creates an error response. Its body has the reason twice: `code` for programs, `detail` for people.
pub fn response(status: StatusCode, code: &str, detail: &str) -> Response<Bytes> {
    let mut response = Response::new(document(status, code, detail));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

pub(crate) fn document(status: StatusCode, code: &str, detail: &str) -> Bytes {
    let problem = json!({
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    Bytes::from(problem.to_string())
}
