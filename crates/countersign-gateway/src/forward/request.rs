//! The request that a backend gets.

use bytes::Bytes;
use countersign::Verified;
use countersign_tower::policy::Unclaimed;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderName, request};

use super::Changes;
use crate::connection::Connection;
use crate::route::host_of;
use crate::trust::BackendHeaders;
use crate::upstream::Upstream;

/// A verified request that is sent to one backend or another.
pub(super) struct Outgoing<'a> {
    pub(super) changes: &'a Changes,
    /// The head that the client sent.
    pub(super) head: request::Parts,
    pub(super) verified: Verified,
    /// The path for the backend.
    pub(super) path: PathAndQuery,
    pub(super) body: Bytes,
}

impl Outgoing<'_> {
    /// The id of the message.
    pub(super) fn message(&self) -> &[u8] {
        self.verified.message_id().as_str().as_bytes()
    }

    /// Writes the head in the format of HTTP/1.1, from its first line to the empty one.
    pub(super) fn write_head(&self, upstream: &Upstream, out: &mut Vec<u8>) {
        out.extend_from_slice(b"POST ");
        out.extend_from_slice(self.path.as_str().as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        put_line(out, &HOST, upstream.host.as_bytes());
        self.headers().each(|name, value| put_line(out, name, value));
        // For an empty body as well, because some servers would wait for one.
        put_line(out, &CONTENT_LENGTH, itoa::Buffer::new().format(self.body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn headers(&self) -> BackendHeaders<'_> {
        BackendHeaders {
            client: &self.head.headers,
            opened: &self.changes.opened,
            set: &self.changes.set,
            verified: &self.verified,
            is_duplicate: matches!(self.head.extensions.get(), Some(Unclaimed::Duplicate)),
            connection: self.head.extensions.get::<Connection>(),
            host: host_of(&self.head),
        }
    }
}

fn put_line(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
