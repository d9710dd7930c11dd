//! White space, newlines and the byte order mark.

use crate::finding::Explanation;
use crate::search::step::{Variants, one, text};

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
pub(in super::super) fn trailing_newline(body: &[u8]) -> Variants<'_> {
    let cut = |kept: &[u8], what: &'static str| NEWLINE_ADDED.variant(what, kept.to_vec());
    let ended = |end: &'static str| {
        let once = format!("a newline ({}) is added to the body", end.escape_debug());
        NEWLINE_LOST.variant(once, [body, end.as_bytes()].concat())
    };
    let zeros = body.iter().rev().take_while(|byte| **byte == 0).count();
    Box::new(
        body.strip_suffix(b"\n")
            .map(|kept| cut(kept, "the newline at the end is removed from the body"))
            .into_iter()
            .chain(body.strip_suffix(b"\r\n").map(|kept| cut(kept, "the newline at the end is removed from the body")))
            .chain([cut(body.trim_ascii_end(), "the white space at the end is removed from the body")])
            .chain([cut(body.trim_ascii(), "the white space around it is removed from the body")])
            .chain([cut(&body[..body.len() - zeros], "the zero bytes at the end are removed from the body")])
            .chain(["\n", "\r\n", "\n\n", " "].map(ended)),
    )
}

const LINE_ENDS: Explanation = Explanation {
    code: "body_line_ends",
    title: "the line ends of the body were changed",
    advice: "Verify the bytes as received; an editor, git (`core.autocrlf`) or a file opened in text mode changes them, and a \
             terminal wraps long lines.",
};

/// CRLF changed to LF or the other way round, and lines that were wrapped.
pub(in super::super) fn line_ends(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body) else { return one(None) };
    let unix = text.replace("\r\n", "\n");
    let old = unix.replace('\r', "\n");
    let dos = unix.replace('\n', "\r\n");
    let on_one_line = unix.replace('\n', "");
    Box::new(
        [
            LINE_ENDS.variant("CRLF in the body is changed to LF", unix),
            LINE_ENDS.variant("LF in the body is changed to CRLF", dos),
            LINE_ENDS.variant("CR in the body is changed to LF", old),
            LINE_ENDS.variant("the line breaks in the body are removed", on_one_line),
        ]
        .into_iter(),
    )
}

const BYTE_ORDER_MARK: Explanation = Explanation {
    code: "body_byte_order_mark",
    title: "a byte order mark was added to the body, or removed from it",
    advice: "Verify the bytes as received; an editor on Windows or a decoder of `utf-8-sig` adds or removes it.",
};

/// The three bytes EF BB BF, added or removed.
pub(in super::super) fn byte_order_mark(body: &[u8]) -> Variants<'_> {
    one(Some(match body.strip_prefix(BOM) {
        Some(rest) => BYTE_ORDER_MARK.variant("the byte order mark is removed from the body", rest.to_vec()),
        None => BYTE_ORDER_MARK.variant("a byte order mark is added to the body", [BOM, body].concat()),
    }))
}
