//! Hints without proof: signs of a changed body, and the possibilities that remain.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::case::Case;
use super::finding::{Explanation, Finding};
use super::scheme;

const EMPTY_BODY: Explanation = Explanation {
    code: "body_empty",
    title: "the body is empty",
    advice: "Something read it before, and a body can be read only once. Read the bytes first, and pass them to both the \
             verifier and the parser.",
};

/// A body that was already read.
pub(super) fn empty_body(case: &Case) -> Option<Finding> {
    case.capture.body.is_empty().then(|| EMPTY_BODY.likely("The body has 0 bytes, and no known event is empty."))
}

const BODY_LENGTH: Explanation = Explanation {
    code: "body_length_differs",
    title: "the length of the body differs from `content-length`",
    advice: "It was truncated (by the limit of a buffer or a log), or changed after it was received. Capture the bytes as received.",
};

/// Against `content-length`.
pub(super) fn body_length(case: &Case) -> Option<Finding> {
    let said: usize = case.header(&CONTENT_LENGTH).trim().parse().ok()?;
    let len = case.capture.body.len();
    (said != len).then(|| BODY_LENGTH.likely(format!("`content-length` is {said}, and the body has {len} bytes.")))
}

const COMPRESSED: Explanation = Explanation {
    code: "body_compressed",
    title: "the body is, or was, compressed",
    advice: "The sender signs the uncompressed body. Decompress it once before verification, and do not let a proxy compress \
             requests.",
};

/// By `content-encoding`, or by the first bytes of gzip and zstd.
pub(super) fn compressed(case: &Case) -> Option<Finding> {
    let encoding = case.header(&CONTENT_ENCODING);
    let magic = [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd"].iter().any(|magic| case.capture.body.starts_with(magic));
    if magic {
        Some(COMPRESSED.likely("The body starts with the magic number of gzip or zstd."))
    } else {
        let is_compressed = !matches!(encoding.as_str(), "" | "identity");
        let encoding = crate::output::shown(&encoding);
        is_compressed.then(|| COMPRESSED.likely(format!("`content-encoding` is `{encoding}`.")))
    }
}

const LOST_CHARACTERS: Explanation = Explanation {
    code: "body_characters_lost",
    title: "the body was decoded as text, and bytes were lost",
    advice: "Verify bytes, not text: bytes that are not UTF-8 are replaced by U+FFFD in decoding, and are lost.",
};

/// Replacement characters in place of bytes.
pub(super) fn lost_characters(case: &Case) -> Option<Finding> {
    let count = case.body_text()?.matches('\u{fffd}').count();
    (count > 0).then(|| LOST_CHARACTERS.likely(format!("The body has {count} replacement characters (U+FFFD).")))
}

const WRONG_SECRET: Explanation = Explanation {
    code: "wrong_secret",
    title: "the secret is not the sender's",
    advice: "Each environment, project and endpoint has its own secret, and two after a rotation. Compare the last four \
             characters with the ones that the sender shows (`truncated_secret`), and try other secrets with \
             `--try-secret-file`.",
};
const BODY_CHANGED: Explanation = Explanation {
    code: "body_changed",
    title: "the body was changed in an unknown way, or belongs to another delivery",
    advice: "Capture the request again, as received: the three headers of one request, and the bytes of its body before anything \
             parses them (`tcpdump`, a proxy's raw dump, `request.get_data()` written in binary mode).",
};

const UNKNOWN_KEY: Explanation = Explanation {
    code: "v1a_key_unknown",
    title: "the delivery is signed (`v1a`) with none of the given public keys",
    advice: "The header names no key. If the sender rotated its keys, a copy of its key set is out of date: give its URL, \
             or fetch it again (`countersign jwks show`). A pinned key may have been replaced. A capture from \
             before the rotation can only be verified with the keys of that time.",
};

/// The possibilities that remain when nothing is certain.
pub(super) fn remaining(case: &Case) -> Vec<Finding> {
    let keys: Vec<_> = case.trust.labels("v1a").map(|label| format!("`{}`", crate::output::shown(label))).collect();
    let unknown_key = (!keys.is_empty() && scheme::lists(case, "v1a"))
        .then(|| UNKNOWN_KEY.possible(format!("Nothing matches with {}.", keys.join(", "))));
    let labels: Vec<_> = case.secrets.iter().map(|secret| format!("`{}`", secret.label)).collect();
    let wrong_secret =
        (!labels.is_empty()).then(|| WRONG_SECRET.possible(format!("Nothing matches with {}.", labels.join(", "))));
    let bytes = case.capture.body.len();
    let body_changed = BODY_CHANGED.possible(format!("None of the changes tried on the {bytes} bytes matches."));
    unknown_key.into_iter().chain(wrong_secret).chain([body_changed]).collect()
}
