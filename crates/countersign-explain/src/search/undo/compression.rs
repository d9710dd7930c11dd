//! Compressed bodies.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::finding::Explanation;
use crate::search::step::{Variants, one, text};

/// More than this is not decompressed.
const LIMIT: u64 = 16 << 20;

const COMPRESSED: Explanation = Explanation {
    code: "body_compressed",
    title: "the body is compressed, and the sender signed it before compression",
    advice: "Decompress it once before verification (`content-encoding`), or do not let a proxy compress requests.",
};

/// The contents of gzip, zlib or raw deflate.
pub(in super::super) fn inflated(body: &[u8]) -> Variants<'_> {
    let inflated = if body.starts_with(b"\x1f\x8b") {
        read(MultiGzDecoder::new(body))
    } else if is_zlib(body) {
        read(ZlibDecoder::new(body))
    } else if text(body).is_none() {
        read(DeflateDecoder::new(body))
    } else {
        None
    };
    one(inflated.map(|bytes| COMPRESSED.variant("the body is decompressed", bytes)))
}

/// Whether the two bytes of a zlib header come first.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}

fn read(reader: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = reader.take(LIMIT).read_to_end(&mut bytes).ok()?;
    (len > 0).then_some(bytes)
}
