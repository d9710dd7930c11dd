//! Undoes what was put around a body.

mod base64;
mod compression;
mod edges;
mod envelope;
mod forms;
mod lists;
mod quotes;
mod transfer;

pub(super) use self::base64::{base64, data_url, hexadecimal};
pub(super) use compression::inflated;
pub(super) use edges::{byte_order_mark, line_ends, trailing_newline};
pub(super) use envelope::{members, names_as_body};
pub(super) use forms::{fields, percent_decoded};
pub(super) use lists::{buffer, byte_list, hex_dump};
pub(super) use quotes::{json_string, python_bytes, quoted_text, slashes};
pub(super) use transfer::{chunked, doubled, framed, head, multipart, quoted_printable, surrounded};

use crate::explain::finding::Explanation;

/// A body inside another text.
pub(super) const WRAPPED: Explanation = Explanation {
    code: "body_wrapped",
    title: "the body is wrapped in another encoding",
    advice: "Unwrap it before verification: a queue, a function's event (`isBase64Encoded`), a log or a parser put it into \
             a JSON string, base64, a form or the notation of a programming language.",
};
