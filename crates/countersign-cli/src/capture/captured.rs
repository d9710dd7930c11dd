//! A captured request.

use bytes::Bytes;
use http::HeaderMap;

/// A captured request.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}
