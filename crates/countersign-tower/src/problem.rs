//! Problem documents (RFC 9457), for what a layer or a gateway answers itself.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// An answer of this status whose body says why: `code` for programs, `detail` for people.
pub fn response(status: StatusCode, code: &str, detail: &str) -> Response<Bytes> {
    let problem = json!({
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
    });
    let mut response = Response::new(Bytes::from(problem.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
