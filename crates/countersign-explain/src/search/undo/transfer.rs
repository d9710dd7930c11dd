//! Bodies with parts of HTTP, MIME or a log around them.

use crate::finding::Explanation;
use crate::search::step::{Variants, one, text};

use super::wrapped::WRAPPED;

/// How many parts of a multipart form are tried.
const MAX_PARTS: usize = 32;

const CHUNKED: Explanation = Explanation {
    code: "body_chunked",
    title: "the body still contains the framing of the chunked transfer encoding",
    advice: "The capture is of the connection, not of the body: remove the lines with the chunk lengths, or capture behind \
             the HTTP server.",
};
const SURROUNDED: Explanation = Explanation {
    code: "body_wrapped",
    title: "the body has other text around it",
    advice: "Capture the body alone, as received: a log, an HTTP head or a multipart form is around it.",
};

/// Captured from the wire, with its chunk lengths.
pub(in super::super) fn chunked(body: &[u8]) -> Variants<'_> {
    one(dechunked(body).map(|body| CHUNKED.variant("its chunks are joined", body)))
}

fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.iter().take(80).position(|byte| *byte == b'\n')?;
        let line = str::from_utf8(&rest[..line_end]).ok()?;
        let len = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[line_end + 1..];
        if len == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..len)?);
        rest = rest.get(len..)?;
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    }
}

/// An HTTP head in front of the body.
pub(in super::super) fn head(body: &[u8]) -> Variants<'_> {
    let is_head = |head: &[u8]| {
        let mut lines = head.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.trim_ascii().is_empty());
        lines.all(|line| line.contains(&b':'))
    };
    let find = |end: &[u8]| {
        let at = body.windows(end.len()).take(64 << 10).position(|window| window == end)?;
        (at > 0 && is_head(&body[..at])).then(|| body[at + end.len()..].to_vec())
    };
    let rest = find(b"\r\n\r\n").or_else(|| find(b"\n\n"));
    one(rest.map(|rest| SURROUNDED.variant("the HTTP head is removed from the body", rest)))
}

/// The parts of a multipart form, which may be bytes.
pub(in super::super) fn multipart(body: &[u8]) -> Variants<'_> {
    if !body.starts_with(b"--") {
        return one(None);
    }
    let Some(boundary) = body.split(|byte| *byte == b'\n').next().map(<[u8]>::trim_ascii_end) else { return one(None) };
    let mut starts: Vec<_> = (0..body.len()).filter(|at| body[*at..].starts_with(boundary)).take(MAX_PARTS).collect();
    starts.push(body.len());
    let parts = starts.windows(2).filter_map(|range| {
        let part = &body[range[0]..range[1]];
        let after = |end: &[u8]| {
            let at = part.windows(end.len()).position(|window| window == end)?;
            Some(&part[at + end.len()..])
        };
        let content = after(b"\r\n\r\n").or_else(|| after(b"\n\n"))?;
        Some(content.strip_suffix(b"\r\n").or_else(|| content.strip_suffix(b"\n")).unwrap_or(content).to_vec())
    });
    let parts: Vec<_> = parts.collect();
    Box::new(parts.into_iter().map(|part| SURROUNDED.variant("a part of the multipart form is read as the body", part)))
}

/// MIME's quoted-printable: `=7B=22`, and `=` at the end of lines.
pub(in super::super) fn quoted_printable(body: &[u8]) -> Variants<'_> {
    let is_candidate = body.contains(&b'=') && body.is_ascii();
    one(is_candidate
        .then(|| unquoted(body))
        .flatten()
        .map(|body| WRAPPED.variant("the body is decoded from quoted-printable", body)))
}

fn unquoted(body: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(body.len()), body);
    while let Some(at) = rest.iter().position(|byte| *byte == b'=') {
        bytes.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            rest = tail;
        } else {
            bytes.push(*hex::decode(rest.get(..2)?).ok()?.first()?);
            rest = &rest[2..];
        }
    }
    bytes.extend_from_slice(rest);
    Some(bytes)
}

/// The JSON inside other text: a log line, `data: ` of an event stream, `body = `.
pub(in super::super) fn surrounded(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body) else { return one(None) };
    let span = |open: char, close: char| {
        let (start, end) = (text.find(open)?, text.rfind(close)? + 1);
        let is_blank = |text: &str| text.chars().all(|c| c.is_whitespace() || c == '\u{feff}' || c == '\0');
        let is_part = start < end && !(is_blank(&text[..start]) && is_blank(&text[end..]));
        is_part.then(|| text[start..end].to_owned())
    };
    let spans = [span('{', '}'), span('[', ']')].into_iter().flatten();
    Box::new(spans.map(|inner| SURROUNDED.variant("the text around the JSON is removed from the body", inner)))
}

/// Five bytes with the length, as gRPC puts them before a message; four, as other protocols do.
pub(in super::super) fn framed(body: &[u8]) -> Variants<'_> {
    let frame = |at: usize| {
        let (head, rest) = body.split_at_checked(at + 4)?;
        let len = u32::from_be_bytes(head[at..].try_into().ok()?);
        (usize::try_from(len) == Ok(rest.len())).then(|| rest.to_vec())
    };
    let rest = frame(1).or_else(|| frame(0));
    one(rest.map(|rest| SURROUNDED.variant("the length in front of the body is removed", rest)))
}

/// The body twice.
pub(in super::super) fn doubled(body: &[u8]) -> Variants<'_> {
    let (first, second) = body.split_at(body.len() / 2);
    let second = second.strip_prefix(b"\n").filter(|second| second.len() == first.len()).unwrap_or(second);
    let is_doubled = !first.is_empty() && (first == second);
    one(is_doubled.then(|| SURROUNDED.variant("only one of the two copies of the body is used", first.to_vec())))
}
