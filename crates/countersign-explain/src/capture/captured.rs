//! A captured request.

use bytes::Bytes;
use http::HeaderMap;

/// A captured request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Capture {
    /// The headers, with the names that the sender uses.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// What is doubtful about the capture.
    pub doubt: Option<String>,
}

impl Capture {
    /// A request with these headers and this body.
    pub fn new(headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { headers, body: body.into(), doubt: None }
    }
}
