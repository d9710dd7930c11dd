//! Text files in the encodings of Windows.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// Whether this is UTF-16.
pub(crate) fn is_wide(bytes: &[u8]) -> bool {
    wide(bytes).is_some()
}

/// Reads UTF-8 or UTF-16, and removes the byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    if let Some(encoding) = wide(bytes) {
        return Ok(encoding.decode_with_bom_removal(bytes).0);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| "this is not text in UTF-8 or UTF-16")
}

/// The encoding of a text with two bytes for each character.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        // Without a mark: text in ASCII has a zero in each pair.
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(UTF_16LE),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(UTF_16BE),
        _ => None,
    }
}
