//! Text files in the encodings of Windows.

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE};

/// Reads UTF-8 or UTF-16, and removes the byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    let encoding = match bytes {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        // Without a mark: text in ASCII has a zero in each pair.
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(UTF_16LE),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(UTF_16BE),
        _ => None,
    };
    if let Some(encoding) = encoding {
        return Ok(encoding.decode_with_bom_removal(bytes).0);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| "this is not text in UTF-8 or UTF-16")
}
