//! The head of a backend's response.

use std::error::Error;
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, response};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::framing::Decoder;
use super::protocol::Protocol;
use crate::trust::SenderHeaders;

/// The maximum size of a response head in bytes, including all interim (1xx) responses before it.
pub(super) const LIMIT: usize = 64 * 1024;
/// The maximum number of headers in a response.
const MAX_HEADERS: usize = 512;
/// The number of headers for which there is room on the stack. Nearly all responses have fewer.
const FEW_HEADERS: usize = 32;

/// The head of a response, as its sender gets it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: response::Parts,
    /// How the body is delimited.
    pub(super) body: Decoder,
    /// Whether another request may follow on the connection.
    pub(super) persists: bool,
}

/// Why the bytes of an upstream are not the head of a response.
#[derive(Debug)]
pub(super) enum Invalid {
    Syntax(httparse::Error),
    /// It is another protocol.
    Protocol(Protocol),
    Framing(&'static str),
    TooLong,
}

/// Takes the head of the final response from the bytes that have arrived. `None` if it is not complete. `interim` is
/// the number of bytes of interim responses before it.
pub(super) fn take(arrived: &mut BytesMut, interim: &mut usize) -> Result<Option<Head>, Invalid> {
    while !arrived.is_empty() {
        let mut places = [Place::default(); FEW_HEADERS];
        let parsed = match parse(arrived, &mut places) {
            // Nearly never.
            Err(httparse::Error::TooManyHeaders) => return take_long(arrived),
            Err(error) => return Err(Protocol::of(arrived).map_or(Invalid::Syntax(error), Invalid::Protocol)),
            Ok(parsed) => parsed,
        };
        let Some(parsed) = parsed else { break };
        let bytes = arrived.split_to(parsed.length).freeze();
        if !parsed.is_interim() {
            return parsed.into_head(&bytes, &places).map(Some);
        }
        *interim += bytes.len();
    }
    if arrived.len() + *interim < LIMIT { Ok(None) } else { Err(Invalid::TooLong) }
}

/// Takes a head with more headers than [`FEW_HEADERS`].
fn take_long(arrived: &mut BytesMut) -> Result<Option<Head>, Invalid> {
    let mut places = vec![Place::default(); MAX_HEADERS];
    let Some(parsed) = parse(arrived, &mut places).map_err(Invalid::Syntax)? else { return Ok(None) };
    let bytes = arrived.split_to(parsed.length).freeze();
    parsed.into_head(&bytes, &places).map(Some)
}

/// The first line of a head, and where its other parts are.
struct Parsed {
    status: StatusCode,
    is_http_10: bool,
    reason: Range<usize>,
    /// The number of headers.
    headers: usize,
    /// The length on the wire.
    length: usize,
}

/// Where a header is in the bytes of a head.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    name: (usize, usize),
    value: (usize, usize),
}

/// Parses a head, if it is complete.
fn parse(bytes: &[u8], places: &mut [Place]) -> Result<Option<Parsed>, httparse::Error> {
    let mut room = [const { MaybeUninit::uninit() }; FEW_HEADERS];
    let mut long = Vec::new();
    let room = if places.len() > FEW_HEADERS {
        long.resize_with(places.len(), MaybeUninit::uninit);
        &mut long[..]
    } else {
        &mut room[..]
    };
    // What some backends send, and most clients accept: a request that was handled must not fail for its response.
    let mut tolerant = ParserConfig::default();
    tolerant
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    let mut response = httparse::Response::new(&mut []);
    let Status::Complete(length) = tolerant.parse_response_with_uninit_headers(&mut response, bytes, room)? else {
        return Ok(None);
    };
    let place_of = |part: &[u8]| {
        let start = part.as_ptr().addr() - bytes.as_ptr().addr();
        (start, start + part.len())
    };
    for (place, header) in places.iter_mut().zip(&*response.headers) {
        *place = Place { name: place_of(header.name.as_bytes()), value: place_of(header.value) };
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(httparse::Error::Status)?;
    let canonical = status.canonical_reason();
    let reason = response.reason.filter(|reason| !reason.is_empty() && Some(*reason) != canonical);
    let (start, end) = reason.map_or((0, 0), |reason| place_of(reason.as_bytes()));
    let (is_http_10, headers) = (response.version == Some(0), response.headers.len());
    Ok(Some(Parsed { status, is_http_10, reason: start..end, headers, length }))
}

impl Parsed {
    fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }

    fn into_head(self, bytes: &Bytes, places: &[Place]) -> Result<Head, Invalid> {
        let places = places.get(..self.headers).unwrap_or(places);
        let all = |name: HeaderName| {
            let of_name = move |place: &&Place| name.as_str().as_bytes().eq_ignore_ascii_case(place.name(bytes));
            places.iter().filter(of_name).map(|place| place.value(bytes))
        };
        let connection: Vec<_> = all(CONNECTION).collect();
        let sender = SenderHeaders::new(&connection);
        let body = body(self.status, self.is_http_10, all(TRANSFER_ENCODING), all(CONTENT_LENGTH))?;
        let is_ambiguous = all(TRANSFER_ENCODING).next().is_some() && all(CONTENT_LENGTH).next().is_some();
        let is_kept = if self.is_http_10 { sender.lists("keep-alive") } else { !sender.lists("close") };
        let persists =
            is_kept && !is_ambiguous && body != Decoder::UntilClose && self.status != StatusCode::SWITCHING_PROTOCOLS;
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = self.status;
        parts.headers = headers(bytes, places, &sender);
        if !self.reason.is_empty()
            && let Ok(reason) = ReasonPhrase::try_from(bytes.slice(self.reason))
        {
            parts.extensions.insert(reason);
        }
        Ok(Head { parts, body, persists })
    }
}

impl Place {
    fn name(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.name.0..self.name.1]
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.value.0..self.value.1]
    }
}

/// How the body is delimited (RFC 9112, section 6.3).
fn body<'a>(
    status: StatusCode,
    is_http_10: bool,
    codings: impl Iterator<Item = &'a [u8]>,
    lengths: impl Iterator<Item = &'a [u8]>,
) -> Result<Decoder, Invalid> {
    let codings: Vec<_> = codings.collect();
    let length = length(lengths);
    if [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status) {
        return Ok(Decoder::Length(0));
    }
    if codings.is_empty() {
        return Ok(length?.map_or(Decoder::UntilClose, Decoder::Length));
    }
    if is_http_10 {
        return Err(Invalid::Framing("its `Transfer-Encoding` is not allowed in HTTP/1.0"));
    }
    let codings = codings.iter().flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut codings = codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    match (codings.next(), codings.next()) {
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Decoder::chunked()),
        (None, _) => Ok(Decoder::UntilClose),
        // Passed on, the body would lack the name of its coding.
        _ => Err(Invalid::Framing("its `Transfer-Encoding` is not `chunked`")),
    }
}

/// The announced length. Several announcements must be equal.
fn length<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<u64>, Invalid> {
    let mut announced = None;
    for element in values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
        let is_decimal = element.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(element).ok().filter(|_| is_decimal).and_then(|text| text.parse().ok());
        match (length, announced) {
            (None, _) => return Err(Invalid::Framing("its `Content-Length` is not a number")),
            (Some(length), Some(other)) if length != other => {
                return Err(Invalid::Framing("it has several values of `Content-Length`"));
            }
            (Some(length), _) => announced = Some(length),
        }
    }
    Ok(announced)
}

/// The headers that the sender gets. All values share the bytes of the head.
fn headers(bytes: &Bytes, places: &[Place], sender: &SenderHeaders<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for place in places {
        let Ok(name) = HeaderName::from_bytes(place.name(bytes)) else { continue };
        if !sender.pass(&name) {
            continue;
        }
        let value = place.value(bytes);
        let value = if value.contains(&b'\n') { on_one_line(value) } else { bytes.slice_ref(value) };
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            headers.append(name, value);
        }
    }
    headers
}

/// A value over several lines, with one space in place of each break (RFC 9112, section 5.2).
fn on_one_line(value: &[u8]) -> Bytes {
    let lines: Vec<_> = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    lines.join(&b' ').into()
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::Protocol(protocol) => protocol.fmt(f),
            Self::Framing(reason) => f.write_str(reason),
            Self::TooLong => f.write_str("the head of the response is longer than 64 KiB"),
        }
    }
}

impl Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Head>, Invalid> {
        take(&mut BytesMut::from(text.as_bytes()), &mut 0)
    }

    fn head(lines: &str) -> Head {
        parse(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).unwrap().unwrap()
    }

    #[test]
    fn interim_responses_are_skipped_and_what_follows_the_head_is_left() {
        let mut arrived = BytesMut::from("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n");
        assert!(take(&mut arrived, &mut 0).unwrap().is_none() && arrived.is_empty());
        arrived.extend_from_slice(b"HTTP/1.1 202 Fine\r\nContent-Length: 2\r\nDate: now\r\n\r\nok");
        let head = take(&mut arrived, &mut 0).unwrap().unwrap();
        assert_eq!((head.parts.status, head.body, head.persists), (StatusCode::ACCEPTED, Decoder::Length(2), true));
        assert_eq!(head.parts.extensions.get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine");
        assert_eq!(
            (head.parts.headers.len(), &head.parts.headers["date"], &*arrived),
            (1, &"now".parse().unwrap(), b"ok".as_slice())
        );
    }

    #[test]
    fn every_head_is_incomplete_until_its_last_byte() {
        let whole = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\nx: y\r\n\r\n";
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).unwrap().is_none(), "{end}");
        }
        assert!(parse(whole).unwrap().unwrap().persists);
    }

    #[test]
    fn a_body_is_delimited_as_its_headers_say() {
        for (lines, body, persists) in [
            ("", Decoder::UntilClose, false),
            ("content-length: 0\r\n", Decoder::Length(0), true),
            ("content-length: 7\r\nConnection: x, Close\r\n", Decoder::Length(7), false),
            ("content-length: 7, 7\r\ncontent-length: 7\r\n", Decoder::Length(7), true),
            ("transfer-encoding: Chunked\r\n", Decoder::chunked(), true),
            ("transfer-encoding: , identity\r\ntransfer-encoding: chunked\r\n", Decoder::chunked(), true),
            ("transfer-encoding: chunked\r\ncontent-length: 7\r\n", Decoder::chunked(), false),
            ("transfer-encoding: chunked\r\ncontent-length: x\r\n", Decoder::chunked(), false),
            ("transfer-encoding: identity\r\n", Decoder::UntilClose, false),
        ] {
            let head = head(lines);
            assert_eq!((head.body, head.persists), (body, persists), "{lines}");
        }
        let no_content = parse("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n").unwrap().unwrap();
        assert_eq!((no_content.body, no_content.persists), (Decoder::Length(0), true));
    }

    #[test]
    fn what_is_ambiguous_or_no_http_is_invalid() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(LIMIT));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(LIMIT / 20);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 7, 8\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 8\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +7\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked;a=b\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
            &long,
            &interim,
            &many,
        ] {
            assert!(parse(text).is_err(), "{}", text.get(..90).unwrap_or(text));
        }
        let few = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS));
        assert_eq!(parse(&few).unwrap().unwrap().parts.headers.len(), MAX_HEADERS);
    }

    #[test]
    fn headers_that_many_clients_accept_do_not_fail_a_request_that_was_handled() {
        let head = head("a: b\r\n c\r\nspace : d\r\nbad\u{1}name: e\r\nbad: \u{1}\r\nend: f\r\n");
        let values: Vec<_> = head.parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(values, [("a", b"b c".as_slice()), ("space", b"d"), ("end", b"f")]);
    }

    #[test]
    fn what_ends_at_the_gateway_does_not_reach_the_sender() {
        let head = head(
            "connection: close, x-hop, content-type\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: close\r\n\
             te: trailers\r\ntrailer: x\r\nupgrade: h2c\r\ncontent-length: 2\r\ncountersign-outcome: duplicate\r\n\
             Countersign_Outcome: duplicate\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-type: text/plain\r\n",
        );
        let left: Vec<_> = head.parts.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left, ["set-cookie", "set-cookie", "content-type"]);
    }
}
