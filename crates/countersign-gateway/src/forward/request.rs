//! The request that a backend gets.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use countersign::{MessageId, Verified};
use countersign_inbox::Headers;
use countersign_tower::policy::Unclaimed;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, request};

use super::Changes;
use crate::assertion::Facts;
use crate::connection::Connection;
use crate::route::host_of;
use crate::telemetry::{Hop, Trace};
use crate::trust::{
    ASSERTION, BackendHeaders, EVENT_TYPE, KEY, SCHEME, SOURCE, StoredHeaders, is_header_text, is_polled,
};
use crate::upstream::Upstream;

/// A verified request that is sent to one backend or another.
pub(super) struct Outgoing {
    pub(super) changes: Arc<Changes>,
    pub(super) source: Source,
    /// The path for the backend.
    pub(super) path: PathAndQuery,
    pub(super) body: Bytes,
    /// The trace, which takes the place of the client's in the headers.
    pub(super) hop: Option<Hop>,
    /// The signed assertion, on a route that adds one.
    pub(super) assertion: Option<HeaderValue>,
}

/// Where the headers come from.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each request")]
pub(super) enum Source {
    /// From a request that has just been verified.
    Verified {
        /// The head that the client sent.
        head: request::Parts,
        verified: Verified,
    },
    /// From the inbox.
    Stored {
        message_id: MessageId,
        headers: Headers,
        /// The number of the attempt, starting at 1.
        attempt: u32,
        trace: Option<Trace>,
    },
}

impl Source {
    /// The trace of the request, if it is traced.
    pub(super) fn trace(&self) -> Option<&Trace> {
        match self {
            Self::Verified { head, .. } => head.extensions.get(),
            Self::Stored { trace, .. } => trace.as_ref(),
        }
    }

    /// The number of the attempt to deliver a stored message.
    pub(super) fn attempt(&self) -> Option<u32> {
        match self {
            Self::Verified { .. } => None,
            Self::Stored { attempt, .. } => Some(*attempt),
        }
    }

    /// What is asserted of this request with this body. Nothing is asserted of an event that was polled.
    pub(super) fn facts<'a>(&'a self, body: &'a [u8]) -> Option<Facts<'a>> {
        Some(match self {
            Self::Stored { headers, .. } if is_polled(headers) => return None,
            Self::Verified { verified, .. } => Facts {
                message_id: verified.message_id().as_str(),
                source: verified.source(),
                scheme: verified.scheme().as_str(),
                key: verified.key_label(),
                event_type: verified.event_type().filter(|event_type| is_header_text(event_type)),
                body,
            },
            Self::Stored { message_id, headers, .. } => {
                let text = |name| headers.get(name).and_then(|value| str::from_utf8(value).ok());
                Facts {
                    message_id: message_id.as_str(),
                    source: text(SOURCE).unwrap_or_default(),
                    scheme: text(SCHEME).unwrap_or_default(),
                    key: text(KEY).unwrap_or_default(),
                    event_type: text(EVENT_TYPE).map(Cow::Borrowed),
                    body,
                }
            }
        })
    }
}

impl Outgoing {
    /// The id of the message.
    pub(super) fn message(&self) -> &[u8] {
        match &self.source {
            Source::Verified { verified, .. } => verified.message_id(),
            Source::Stored { message_id, .. } => message_id,
        }
        .as_str()
        .as_bytes()
    }

    /// Writes the head in the format of HTTP/1.1, from its first line to the empty one.
    pub(super) fn write_head(&self, upstream: &Upstream, out: &mut Vec<u8>) {
        out.extend_from_slice(b"POST ");
        out.extend_from_slice(self.path.as_str().as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let title_case = self.changes.title_case;
        let mut put = |name: &str, value: &[u8]| put_line(out, name, value, title_case);
        put(HOST.as_str(), upstream.host.as_bytes());
        self.each_header(&mut put);
        // For an empty body as well, because some servers would wait for one.
        put(CONTENT_LENGTH.as_str(), itoa::Buffer::new().format(self.body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Adds the headers to those of an HTTP/2 request, whose host is in its URI.
    pub(super) fn fill(&self, headers: &mut HeaderMap) {
        self.each_header(|name, value| {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        });
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        // Some gRPC servers require it.
        if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }

    fn each_header(&self, mut put: impl FnMut(&str, &[u8])) {
        if let Some(hop) = &self.hop {
            let (name, value) = hop.header();
            put(name.as_str(), value);
            self.each_other_header(|name, value| {
                if !hop.replaces(name) {
                    put(name, value);
                }
            });
        } else {
            self.each_other_header(put);
        }
    }

    fn each_other_header(&self, mut put: impl FnMut(&str, &[u8])) {
        if let Some(assertion) = &self.assertion {
            put(ASSERTION.as_str(), assertion.as_bytes());
        }
        let Changes { opened, set, .. } = &*self.changes;
        match &self.source {
            Source::Verified { head, verified } => BackendHeaders {
                client: &head.headers,
                opened,
                set,
                verified,
                is_duplicate: matches!(head.extensions.get(), Some(Unclaimed::Duplicate)),
                connection: head.extensions.get::<Connection>(),
                host: host_of(head),
            }
            .each(put),
            Source::Stored { headers, attempt, .. } => StoredHeaders { headers, set, attempt: *attempt }.each(put),
        }
    }
}

fn put_line(out: &mut Vec<u8>, name: &str, value: &[u8], title_case: bool) {
    let start = out.len();
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
    if title_case {
        let mut begins_word = true;
        for byte in out.iter_mut().skip(start).take(name.len()) {
            if begins_word {
                byte.make_ascii_uppercase();
            }
            begins_word = *byte == b'-';
        }
    }
}
