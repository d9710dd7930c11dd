//! Signs of a body that was compressed when it was sent, or is compressed now.

use http::header::CONTENT_ENCODING;

use crate::case::Case;
use crate::finding::{Explanation, Finding};

const DECOMPRESSED: Explanation = Explanation {
    code: "body_decompressed",
    title: "the body was sent compressed, and is decompressed here",
    advice: "The sender may have signed the compressed bytes: verify the bytes as received, before anything decompresses them \
             (a framework, a proxy or a client that honours `content-encoding`). The compressed bytes cannot be restored \
             from these, so capture the request again.",
};
const COMPRESSED: Explanation = Explanation {
    code: "body_compressed",
    title: "the body is compressed",
    advice: "The signature matches neither the compressed bytes nor the decompressed ones, as far as they could be \
             decompressed here. Something else is wrong, or the body was decompressed and compressed again on the way: \
             capture the bytes as received.",
};

/// The finding of a body that was sent compressed.
pub(super) fn decompressed(evidence: String) -> Finding {
    DECOMPRESSED.likely(evidence)
}

/// By `content-encoding`, or by the first bytes of gzip and zstd.
pub(super) fn compressed(case: &Case) -> Option<Finding> {
    let encoding = case.header(&CONTENT_ENCODING);
    let magic = [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd"].iter().any(|magic| case.capture.body.starts_with(magic));
    let is_named = !matches!(encoding.trim(), "" | "identity");
    let is_text = case.body_text().is_some();
    if magic || (is_named && !is_text) {
        Some(
            COMPRESSED.likely(
                "The body is not text, and begins like gzip or zstd, or `content-encoding` names a compression.",
            ),
        )
    } else {
        let encoding = crate::shown::shown(&encoding);
        is_named.then(|| {
            DECOMPRESSED
                .likely(format!("`content-encoding` is `{encoding}`, and the body is text, which is not compressed."))
        })
    }
}
