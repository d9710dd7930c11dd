//! Compressed bodies.

use crate::encoded;
use crate::finding::Explanation;
use crate::search::step::{Variants, one};

const COMPRESSED: Explanation = Explanation {
    code: "body_compressed",
    title: "the body is compressed, and the sender signed it before compression",
    advice: "Decompress it once before verification (`content-encoding`), or do not let a proxy compress requests.",
};

/// The contents of gzip, zlib or raw deflate.
pub(in super::super) fn inflated(body: &[u8]) -> Variants<'_> {
    one(encoded::inflated(body).map(|bytes| COMPRESSED.variant("the body is decompressed", bytes)))
}
