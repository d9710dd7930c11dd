//! Undoes what was put around a body.

mod base64;
mod compression;
mod edges;
mod envelope;
mod forms;
mod lists;
pub(super) mod looks;
mod quotes;
mod transfer;
mod wrapped;

pub(super) use self::base64::{armored, base64, hexadecimal};
pub(super) use compression::inflated;
pub(super) use edges::{byte_order_mark, line_ends, trailing_newline};
pub(super) use envelope::{members, names_as_body};
pub(super) use forms::{fields, percent_decoded};
pub(super) use lists::{buffer, byte_list, hex_dump};
pub(super) use quotes::{json_string, python_bytes, quoted_text, slashes};
pub(super) use transfer::{chunked, doubled, framed, head, multipart, quoted_printable, surrounded};
