//! Mistakes with bodies, on their way from the sender to the verifier.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::case::Case;
use super::finding::{Explanation, Repair, Repairs};
use super::json;
use super::trial::Change;

/// Larger bodies are not reserialized: webhook bodies are small.
const RESERIALISED_LIMIT: usize = 4 << 20;
const BOM: &[u8] = b"\xEF\xBB\xBF";

const NEWLINE_LOST: Explanation = Explanation {
    code: "body_trailing_newline_lost",
    title: "the body has lost the newline at its end",
    advice: "Something trims the body. Verify the bytes as received, before any parser or `trim`; to capture a body, \
             write it to a file in binary mode, and send it with `curl --data-binary`, because `-d` drops newlines.",
};
const NEWLINE_ADDED: Explanation = Explanation {
    code: "body_trailing_newline_added",
    title: "the body has white space at its end or beginning that the sender did not sign",
    advice: "An editor, `echo` or a log adds a newline. Capture the body with a tool that does not, or cut it: \
             `printf %s \"$(cat body.json)\"`.",
};

/// White space at the ends, added or removed.
pub(super) fn trailing_newline(case: &Case) -> Repairs<'_> {
    let body = &case.capture.body;
    let ended = |end: &'static str| {
        let once = format!("a newline ({}) is added to the body", end.escape_debug());
        NEWLINE_LOST.repair(once, Change::Body([body, end.as_bytes()].concat().into()))
    };
    let cut = |kept: &[u8], what: &str| {
        let once = format!("{what} is removed from the body");
        NEWLINE_ADDED.repair(once, Change::Body(body.slice_ref(kept)))
    };
    Box::new(
        body.strip_suffix(b"\n")
            .map(|kept| cut(kept, "the newline at the end"))
            .into_iter()
            .chain(body.strip_suffix(b"\r\n").map(|kept| cut(kept, "the newline at the end")))
            .chain([cut(body.trim_ascii_end(), "the white space at the end")])
            .chain([cut(body.trim_ascii(), "the white space around it")])
            .chain([ended("\n"), ended("\r\n")]),
    )
}

const LINE_ENDS: Explanation = Explanation {
    code: "body_line_ends",
    title: "the line ends of the body were changed",
    advice: "Verify the bytes as received; an editor, git (`core.autocrlf`) or a file opened in text mode changes them.",
};

/// CRLF changed to LF, or the other way round.
pub(super) fn line_ends(case: &Case) -> Repairs<'_> {
    Box::new(case.body_text().into_iter().flat_map(|text| {
        let unix = text.replace("\r\n", "\n");
        let dos = unix.replace('\n', "\r\n");
        [
            LINE_ENDS.repair("CRLF in the body is changed to LF", body_of(unix)),
            LINE_ENDS.repair("LF in the body is changed to CRLF", body_of(dos)),
        ]
    }))
}

const BYTE_ORDER_MARK: Explanation = Explanation {
    code: "body_byte_order_mark",
    title: "a byte order mark was added to the body, or removed from it",
    advice: "Verify the bytes as received; an editor on Windows or a decoder of `utf-8-sig` adds or removes it.",
};

/// The three bytes EF BB BF, added or removed.
pub(super) fn byte_order_mark(case: &Case) -> Repairs<'_> {
    let body = &case.capture.body;
    Box::new(std::iter::once(if let Some(rest) = body.strip_prefix(BOM) {
        BYTE_ORDER_MARK.repair("the byte order mark is removed from the body", Change::Body(body.slice_ref(rest)))
    } else {
        let marked = Change::Body([BOM, body].concat().into());
        BYTE_ORDER_MARK.repair("a byte order mark is added to the body", marked)
    }))
}

const RESERIALISED: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again",
    advice: "Verify the bytes as received, and parse them afterwards: `request.body` or `await request.get_data()` in \
             Python, `express.raw({type: '*/*'})` in Express, `await request.text()` in fetch handlers, `Bytes` in axum. \
             `json.dumps(request.json())` gives other bytes.",
};

/// The same JSON, as other serializers write it.
pub(super) fn reserialised(case: &Case) -> Repairs<'_> {
    let text = case.body_text().filter(|text| text.len() <= RESERIALISED_LIMIT);
    let value = text.and_then(json::parse);
    Box::new(value.into_iter().flat_map(|value| {
        json::spellings(value)
            .map(|(text, how)| RESERIALISED.repair(format!("the body is written as JSON {how}"), body_of(text)))
    }))
}

const WRAPPED: Explanation = Explanation {
    code: "body_wrapped",
    title: "the body is wrapped in another encoding",
    advice: "Unwrap it before verification: a queue, a function's event (`isBase64Encoded`) or a log put it into \
             a JSON string, base64 or a form.",
};

/// In a JSON string, in base64, percent-encoded.
pub(super) fn wrapped(case: &Case) -> Repairs<'_> {
    let text = case.body_text().map(str::trim);
    let string = |text: &str| serde_json::from_str::<String>(text).ok();
    let unwrapped = move |once: &str, bytes: Vec<u8>| WRAPPED.repair(once, Change::Body(bytes.into()));
    let in_string =
        text.and_then(string).map(|inner| unwrapped("the body is taken out of the JSON string", inner.into()));
    let quoted = text.and_then(|text| string(&format!("\"{text}\"")));
    let escaped = quoted.map(|inner| unwrapped("the escapes in the body are undone", inner.into()));
    let in_base64 = text
        .and_then(|text| STANDARD.decode(text).ok())
        .map(|inner| unwrapped("the body is decoded from base64", inner));
    let in_form = text.and_then(percent_decoded).map(|inner| unwrapped("the body is percent-decoded", inner));
    Box::new([in_string, escaped, in_base64, in_form].into_iter().flatten())
}

const RECODED: Explanation = Explanation {
    code: "body_recoded",
    title: "the body was decoded and encoded as text in another character set",
    advice: "Verify bytes, not text: the body is UTF-8, and something decoded it as Latin-1.",
};

/// UTF-8 decoded as Latin-1 and encoded again, or the other way round.
pub(super) fn recoded(case: &Case) -> Repairs<'_> {
    let narrowed =
        case.body_text().and_then(|text| text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<_>>>());
    let widened: String = case.capture.body.iter().map(|byte| char::from(*byte)).collect();
    let narrowed = narrowed.map(|bytes| RECODED.repair("its characters are read as bytes", Change::Body(bytes.into())));
    let widened = RECODED.repair("its bytes are read as Latin-1 and encoded as UTF-8", body_of(widened));
    Box::new(narrowed.into_iter().chain([widened]))
}

const CHUNKED: Explanation = Explanation {
    code: "body_chunked",
    title: "the body still contains the framing of the chunked transfer encoding",
    advice: "The capture is of the connection, not of the body: remove the lines with the chunk lengths, or capture behind \
             the HTTP server.",
};

/// Captured from the wire, with its chunk lengths.
pub(super) fn chunked(case: &Case) -> Repairs<'_> {
    let repair = |body| -> Repair { CHUNKED.repair("its chunks are joined", Change::Body(body)) };
    Box::new(dechunked(&case.capture.body).map(repair).into_iter())
}

fn dechunked(mut rest: &[u8]) -> Option<Bytes> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|window| window == b"\r\n")?;
        let line = str::from_utf8(&rest[..line_end]).ok()?;
        let len = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[line_end + 2..];
        if len == 0 {
            return Some(body.into());
        }
        body.extend_from_slice(rest.get(..len)?);
        rest = rest.get(len..)?.strip_prefix(b"\r\n")?;
    }
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                *hex::decode(digits).ok()?.first()?
            }
            other => *other,
        });
    }
    Some(bytes)
}

fn body_of(text: String) -> Change {
    Change::Body(text.into())
}
