//! What nothing proves: signs of a changed body, and what remains when nothing fits.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::case::Case;
use super::finding::{Finding, Looks};
use super::scheme;

const EMPTY_BODY: Looks = Looks {
    code: "body_empty",
    title: "the body is empty",
    advice: "Something read it before: a body can be read once. Take the bytes first, and give them to the verifier and to \
             whoever parses them.",
};

/// Read by somebody else before.
pub(super) fn empty_body(case: &Case) -> Option<Finding> {
    case.capture.body.is_empty().then(|| EMPTY_BODY.likely("There are 0 bytes, and no known event is empty."))
}

const BODY_LENGTH: Looks = Looks {
    code: "body_length_differs",
    title: "the body is not as long as its head says",
    advice: "It was cut off (a buffer's or a log's limit), or changed after it was received: capture the bytes as received.",
};

/// Against `content-length`.
pub(super) fn body_length(case: &Case) -> Option<Finding> {
    let said: usize = case.header(&CONTENT_LENGTH).trim().parse().ok()?;
    let len = case.capture.body.len();
    (said != len).then(|| BODY_LENGTH.likely(format!("`content-length` says {said} bytes, and there are {len}.")))
}

const COMPRESSED: Looks = Looks {
    code: "body_compressed",
    title: "the body is, or was, compressed",
    advice: "What is signed is the body as the sender wrote it: decompress it once, before it is verified, and do not let a \
             proxy compress requests.",
};

/// By `content-encoding`, or by the first bytes of gzip and zstd.
pub(super) fn compressed(case: &Case) -> Option<Finding> {
    let encoding = case.header(&CONTENT_ENCODING);
    let magic = [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd"].iter().any(|magic| case.capture.body.starts_with(magic));
    if magic {
        Some(COMPRESSED.likely("The body begins as gzip or zstd does."))
    } else {
        let is_compressed = !matches!(encoding.as_str(), "" | "identity");
        let encoding = crate::output::shown(&encoding);
        is_compressed.then(|| COMPRESSED.likely(format!("`content-encoding` is `{encoding}`.")))
    }
}

const LOST_CHARACTERS: Looks = Looks {
    code: "body_characters_lost",
    title: "the body was decoded as text, and bytes were lost",
    advice: "Verify bytes, not text: what is not UTF-8 becomes U+FFFD when it is decoded, and cannot be brought back.",
};

/// The replacement character stands where bytes were.
pub(super) fn lost_characters(case: &Case) -> Option<Finding> {
    let count = case.body_text()?.matches('\u{fffd}').count();
    (count > 0).then(|| LOST_CHARACTERS.likely(format!("The body has {count} replacement characters (U+FFFD).")))
}

const WRONG_SECRET: Looks = Looks {
    code: "wrong_secret",
    title: "the secret is another one than the sender's",
    advice: "Each environment, project and endpoint has its own; after a rotation there are two. Compare the last four \
             characters with what the sender shows (`truncated_secret`), and give the others with `--try-secret-file`.",
};
const BODY_CHANGED: Looks = Looks {
    code: "body_changed",
    title: "the body was changed in a way that was not tried, or it is another delivery's",
    advice: "Capture it anew, as received: the three headers of one request, and the bytes of its body before anything \
             parses them (`tcpdump`, a proxy's raw dump, `request.get_data()` written in binary mode).",
};

const UNKNOWN_KEY: Looks = Looks {
    code: "v1a_key_unknown",
    title: "it is signed (`v1a`) with none of the public keys that were given",
    advice: "The header names no key. If the sender rotated its keys, a copy of its set is out of date: give its URL, or \
             fetch it anew (`countersign jwks show`); a pinned key is the sender's only as long as it says so. A \
             capture from before the rotation can only be verified with the keys of its time.",
};

/// What is left when nothing is certain.
pub(super) fn remaining(case: &Case) -> Vec<Finding> {
    let keys: Vec<_> = case.trust.labels("v1a").map(|label| format!("`{}`", crate::output::shown(label))).collect();
    let unknown_key = (!keys.is_empty() && scheme::lists(case, "v1a"))
        .then(|| UNKNOWN_KEY.possible(format!("Nothing matches with {}.", keys.join(", "))));
    let labels: Vec<_> = case.secrets.iter().map(|secret| format!("`{}`", secret.label)).collect();
    let wrong_secret =
        (!labels.is_empty()).then(|| WRONG_SECRET.possible(format!("Nothing matches with {}.", labels.join(", "))));
    let bytes = case.capture.body.len();
    let body_changed = BODY_CHANGED.possible(format!("Nothing that was tried on the {bytes} bytes matches."));
    unknown_key.into_iter().chain(wrong_secret).chain([body_changed]).collect()
}
