//! Compressed bytes: gzip, zlib and raw deflate.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// More than this is not decompressed.
const LIMIT: u64 = 16 << 20;

/// The contents of gzip, zlib, or raw deflate that is not text.
pub(crate) fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.starts_with(b"\x1f\x8b") {
        read(MultiGzDecoder::new(bytes))
    } else if is_zlib(bytes) {
        read(ZlibDecoder::new(bytes))
    } else if str::from_utf8(bytes).is_err() {
        read(DeflateDecoder::new(bytes))
    } else {
        None
    }
}

/// Whether the two bytes of a zlib header come first.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}

fn read(reader: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = reader.take(LIMIT).read_to_end(&mut bytes).ok()?;
    (len > 0).then_some(bytes)
}
