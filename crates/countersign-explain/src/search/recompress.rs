//! The other direction of compression: the sender signed compressed bytes, and the body was decompressed since.

use std::io::Write as _;

use flate2::write::{DeflateEncoder, ZlibEncoder};
use flate2::{Compression, Crc};

use super::step::{Variants, one};
use crate::finding::Explanation;

/// A larger body takes too long.
const LIMIT: usize = 256 << 10;
/// The levels that programs use by default.
const LEVELS: [u32; 3] = [6, 9, 1];
/// The flags and the system in the header of gzip, as zlib, Go, Java, Windows and Python write them.
const HEADERS: [[u8; 2]; 8] = [[0, 3], [0, 255], [0, 0], [2, 255], [2, 3], [0, 10], [0, 19], [4, 255]];

const DECOMPRESSED: Explanation = Explanation {
    code: "body_decompressed",
    title: "the sender signed the compressed body, and it was decompressed before verification",
    advice: "Verify the bytes as received, before anything decompresses them: a framework, a proxy or a client that honours \
             `content-encoding`.",
};

/// The body in gzip, zlib and deflate, as common libraries compress it.
pub(super) fn recompressed(body: &[u8]) -> Variants<'_> {
    if body.is_empty() || body.len() > LIMIT {
        return one(None);
    }
    Box::new(LEVELS.into_iter().flat_map(move |level| {
        let deflated = deflate(body, level).unwrap_or_default();
        let gzip = HEADERS.map(|header| gzip(body, &deflated, header));
        let zlib = zlib(body, level);
        let all = gzip.into_iter().map(|bytes| (bytes, "gzip")).chain(zlib.map(|bytes| (bytes, "zlib")));
        let all: Vec<_> = all.chain([(deflated, "deflate")]).collect();
        all.into_iter()
            .map(|(bytes, name)| DECOMPRESSED.variant(format!("the body is compressed again ({name})"), bytes))
    }))
}

fn deflate(body: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

fn zlib(body: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// A member of gzip without a name and a time.
fn gzip(body: &[u8], deflated: &[u8], [flags, system]: [u8; 2]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(body);
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, flags, system];
    [&header[..], deflated, &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes()].concat()
}
