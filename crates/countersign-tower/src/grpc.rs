//! The parts of gRPC over HTTP/2 ([PROTOCOL-HTTP2]) that the layer needs: headers, frames and trailers. They need no
//! gRPC library.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Version, request};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const GRPC: &[u8] = b"application/grpc";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The delay before a retry, for clients that retry automatically (gRFC A6).
const GRPC_RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// The reason for a rejection: the `code` of a problem document in HTTP.
const COUNTERSIGN_CODE: HeaderName = HeaderName::from_static("countersign-code");

/// An empty message. Protocol Buffers decode it as the default value of any message type.
pub(crate) const EMPTY_MESSAGE: Bytes = Bytes::from_static(&[0; PREFIX]);
/// The length of the prefix of each message: one byte for the compression, and four for the length, big-endian.
const PREFIX: usize = 5;

/// The gRPC status codes that the layer returns.
pub(crate) mod code {
    pub(crate) const OK: u8 = 0;
    pub(crate) const INVALID_ARGUMENT: u8 = 3;
    pub(crate) const DEADLINE_EXCEEDED: u8 = 4;
    pub(crate) const NOT_FOUND: u8 = 5;
    pub(crate) const ALREADY_EXISTS: u8 = 6;
    pub(crate) const RESOURCE_EXHAUSTED: u8 = 8;
    pub(crate) const ABORTED: u8 = 10;
    pub(crate) const UNIMPLEMENTED: u8 = 12;
    pub(crate) const UNAVAILABLE: u8 = 14;
    pub(crate) const UNAUTHENTICATED: u8 = 16;
}

/// The protocol in which a request expects its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    /// A gRPC call, and whether its messages are Protocol Buffers.
    Grpc {
        protobuf: bool,
    },
}

impl Protocol {
    /// The protocol of a request. The content type counts only if the service speaks gRPC: it is not signed, and a
    /// forged request must not be able to choose to be rejected with 200. gRPC requires HTTP/2.
    pub(crate) fn of(head: &request::Parts, speaks_grpc: bool) -> Self {
        if !speaks_grpc {
            return Self::Http;
        }
        let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        match content_type.and_then(|content_type| after_grpc(content_type)) {
            Some(rest) if head.version >= Version::HTTP_2 => match rest {
                b"" | [b';', ..] => Self::Grpc { protobuf: true },
                [b'+', format @ ..] => Self::Grpc { protobuf: format.starts_with(b"proto") },
                // `application/grpc-web` is another protocol.
                _ => Self::Http,
            },
            _ => Self::Http,
        }
    }

    pub(crate) fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc { .. })
    }
}

/// Whether a response belongs to gRPC or gRPC-Web, where HTTP status 200 does not mean success.
pub(crate) fn is_grpc_response(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|content_type| after_grpc(content_type.as_bytes()).is_some())
}

fn after_grpc(content_type: &[u8]) -> Option<&[u8]> {
    let (start, rest) = content_type.split_at_checked(GRPC.len())?;
    start.eq_ignore_ascii_case(GRPC).then_some(rest)
}

/// Whether a call succeeded, by its headers or trailers. `None` if they have no status.
pub(crate) fn succeeded(headers: &HeaderMap) -> Option<bool> {
    let mut statuses = headers.get_all(GRPC_STATUS).iter();
    let first = statuses.next()?;
    Some(first == "0" && statuses.next().is_none())
}

/// The messages in the part of a body that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Messages {
    /// A part of the first message, and the length of the whole with its prefix, if that is known.
    Partial(Option<u64>),
    /// Exactly one message, as in a unary call.
    One,
    /// More than one message, as in a stream.
    More,
}

/// Reads the first prefix only, because a unary call has no other.
pub(crate) fn messages(body: &[u8]) -> Messages {
    let Some((&[_, a, b, c, d], message)) = body.split_first_chunk::<PREFIX>() else { return Messages::Partial(None) };
    let announced = u64::from(u32::from_be_bytes([a, b, c, d]));
    match (message.len() as u64).cmp(&announced) {
        std::cmp::Ordering::Less => Messages::Partial(Some(PREFIX as u64 + announced)),
        std::cmp::Ordering::Equal => Messages::One,
        std::cmp::Ordering::Greater => Messages::More,
    }
}

/// The headers of a trailers-only response, which has no body.
pub(crate) fn trailers_only(status: u8, code: &str, detail: &str, retry_after: Option<Duration>) -> HeaderMap {
    let mut headers = trailers(status);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let values = [(GRPC_MESSAGE, percent_encode(&format!("{code}: {detail}"))), (COUNTERSIGN_CODE, code.to_owned())];
    for (name, value) in values {
        // Cannot fail: both are visible ASCII.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if let Some(retry_after) = retry_after {
        let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        headers.insert(GRPC_RETRY_PUSHBACK, HeaderValue::from(millis));
    }
    headers
}

/// The trailers at the end of a call.
pub(crate) fn trailers(status: u8) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from(u16::from(status)));
    trailers
}

/// Encodes `%` and every byte that is neither visible ASCII nor a space.
fn percent_encode(message: &str) -> String {
    const ENCODED: &AsciiSet = &CONTROLS.add(b'%');
    utf8_percent_encode(message, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(content_type: &str, version: Version) -> Protocol {
        let request = http::Request::post("/").version(version).header(CONTENT_TYPE, content_type).body(());
        Protocol::of(&request.expect("a request").into_parts().0, true)
    }

    #[test]
    fn a_call_is_known_by_its_content_type_and_its_version() {
        let protobuf = |protobuf| Protocol::Grpc { protobuf };
        for (content_type, expected) in [
            ("application/grpc", protobuf(true)),
            ("Application/GRPC;q=1", protobuf(true)),
            ("application/grpc+proto", protobuf(true)),
            ("application/grpc+json", protobuf(false)),
            ("application/grpc-web", Protocol::Http),
            ("application/grpc-web+proto", Protocol::Http),
            ("application/grpcx", Protocol::Http),
            ("application/json", Protocol::Http),
            ("", Protocol::Http),
        ] {
            assert_eq!(protocol(content_type, Version::HTTP_2), expected, "{content_type}");
            assert_eq!(protocol(content_type, Version::HTTP_11), Protocol::Http, "{content_type}");
            let request = http::Request::post("/").version(Version::HTTP_2).header(CONTENT_TYPE, content_type).body(());
            let head = request.expect("a request").into_parts().0;
            assert_eq!(Protocol::of(&head, false), Protocol::Http, "{content_type}");
        }
    }

    #[test]
    fn a_body_is_one_message_more_or_less() {
        for (body, expected) in [
            (&b""[..], Messages::Partial(None)),
            (b"\0\0\0\0", Messages::Partial(None)),
            (b"\0\0\0\0\0", Messages::One),
            (b"\0\0\0\0\x02a", Messages::Partial(Some(7))),
            (b"\x01\0\0\0\x02ab", Messages::One),
            (b"\0\0\0\0\x02abc", Messages::More),
            (b"\0\0\0\0\0\0\0\0\0\0", Messages::More),
            (b"\0\xff\xff\xff\xffab", Messages::Partial(Some(5 + 0xFFFF_FFFF))),
        ] {
            assert_eq!(messages(body), expected, "{body:?}");
        }
    }

    #[test]
    fn only_one_status_of_zero_is_success() {
        let headers = |statuses: &[&'static str]| {
            let statuses = statuses.iter().map(|status| (GRPC_STATUS, HeaderValue::from_static(status)));
            succeeded(&statuses.fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            }))
        };
        assert_eq!(headers(&[]), None);
        assert_eq!(headers(&["0"]), Some(true));
        for failed in [&["13"][..], &["00"], &[""], &["0", "0"], &["0", "13"]] {
            assert_eq!(headers(failed), Some(false), "{failed:?}");
        }
    }

    #[test]
    fn a_message_is_percent_encoded() {
        assert_eq!(percent_encode("100 % of 1.5 µs\n~"), "100 %25 of 1.5 %C2%B5s%0A~");
    }
}
