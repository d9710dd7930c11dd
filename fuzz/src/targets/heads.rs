//! Heads of requests: the verdict of the core against that of an independent judge.
//!
//! The first byte selects the header names. Lines of headers follow, then an empty line, then the body. `$1` in a
//! header is a valid `v1` entry for the first id and timestamp and the body, and `$2` a valid `v1a` entry. `$3` and `$4`
//! are entries of another body.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign::header::HeaderNames;
use countersign::{UnixTime, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::keys::{NOW, key_set, secret, v1, v1a};

const NAMES: [HeaderNames; 3] = [HeaderNames::Webhook, HeaderNames::Svix, HeaderNames::Either];
const PARTS: [&str; 3] = ["id", "timestamp", "signature"];
const TOLERANCE: u64 = 300;

static VERIFIERS: LazyLock<[Verifier; 3]> = LazyLock::new(|| {
    NAMES.map(|names| {
        let builder = Verifier::builder("fuzz").secret(secret()).key_set(key_set());
        builder.header_names(names).build().expect("a verifier")
    })
});

/// The core and the judge agree on the verdict and its reason.
pub(crate) fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let end = rest.windows(2).position(|end| end == b"\n\n").unwrap_or(rest.len());
    let body = rest.get(end + 2..).unwrap_or_default();
    let lines: Vec<_> = rest[..end].split(|byte| *byte == b'\n').filter_map(line).collect();
    let first_of =
        |part: &str| lines.iter().find(|(name, _)| name.as_str().ends_with(part)).map_or(&b""[..], |(_, value)| value);
    let signed = Signed { id: first_of("-id"), timestamp: first_of("-timestamp"), body };
    let mut headers = HeaderMap::new();
    for (name, value) in &lines {
        let Ok(value) = HeaderValue::from_bytes(&signed.expand(value)) else { return };
        headers.append(name.clone(), value);
    }
    check(usize::from(*first) % NAMES.len(), &headers, body);
}

fn line(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((HeaderName::from_bytes(&line[..colon]).ok()?, line[colon + 1..].trim_ascii()))
}

/// Verifies with the header names of this number.
pub(crate) fn check(names: usize, headers: &HeaderMap, body: &[u8]) {
    let attempt = VERIFIERS[names].begin(headers, UnixTime::from_secs(NOW));
    let verdict = attempt.and_then(|attempt| attempt.finish(Bytes::copy_from_slice(body)));
    let found = verdict.as_ref().map_or_else(|rejection| rejection.reason().as_str(), |_| "verified");
    let judged = judge(names, headers, body).err().unwrap_or("verified");
    assert_eq!(found, judged, "{headers:?} {:?}", body.escape_ascii());
    if let Ok(verified) = verdict {
        let id = headers.iter().find(|(name, _)| name.as_str().ends_with("k-id") || name.as_str() == "svix-id");
        assert_eq!(Some(verified.message_id().as_str().as_bytes()), id.map(|(_, value)| value.as_bytes()));
        assert_eq!(verified.body(), body);
    }
}

/// The signed parts of a delivery.
pub(crate) struct Signed<'b> {
    pub(crate) id: &'b [u8],
    pub(crate) timestamp: &'b [u8],
    pub(crate) body: &'b [u8],
}

impl Signed<'_> {
    fn parts(&self) -> [&[u8]; 5] {
        [self.id, b".", self.timestamp, b".", self.body]
    }

    /// Replaces `$1` to `$4` with entries.
    pub(crate) fn expand(&self, value: &[u8]) -> Vec<u8> {
        let mut expanded = Vec::new();
        let mut rest = value;
        while let Some((byte, after)) = rest.split_first() {
            let other = [&self.parts()[..], &[b"?"]].concat();
            let entry = match (byte, after.first()) {
                (b'$', Some(b'1')) => v1(&self.parts()),
                (b'$', Some(b'2')) => v1a(&self.parts()),
                (b'$', Some(b'3')) => v1(&other),
                (b'$', Some(b'4')) => v1a(&other),
                _ => {
                    expanded.push(*byte);
                    rest = after;
                    continue;
                }
            };
            expanded.extend(entry.into_bytes());
            rest = &after[1..];
        }
        expanded
    }
}

/// The reason for which a request is rejected, in the documented order of the checks.
fn judge(names: usize, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
    let values = |prefix: &str, part: &str| {
        headers.get_all(format!("{prefix}-{part}")).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>()
    };
    let has = |prefix: &str| PARTS.iter().any(|part| !values(prefix, part).is_empty());
    let prefix = match (names, has("webhook"), has("svix")) {
        (2, true, true) => return Err("duplicate_header"),
        (0, ..) | (2, _, false) => "webhook",
        _ => "svix",
    };
    let found = PARTS.map(|part| values(prefix, part));
    if found.iter().any(Vec::is_empty) {
        return Err("missing_header");
    }
    if found.iter().any(|values| values.len() > 1) {
        return Err("duplicate_header");
    }
    let [id, timestamp, signature] = found.map(|values| values[0]);
    if id.is_empty() || id.len() > 256 || !id.iter().all(|byte| (0x21..0x7f).contains(byte) && *byte != b'.') {
        return Err("malformed_id");
    }
    let seconds = std::str::from_utf8(timestamp).ok().and_then(|text| text.parse::<i64>().ok());
    let Some(seconds) = seconds.filter(|seconds| seconds.to_string().as_bytes() == timestamp && *seconds >= 0) else {
        return Err("malformed_timestamp");
    };
    if NOW.saturating_sub(seconds.unsigned_abs()) > TOLERANCE {
        return Err("timestamp_too_old");
    }
    if seconds.unsigned_abs().saturating_sub(NOW) > TOLERANCE {
        return Err("timestamp_too_new");
    }
    let dots = signature.iter().filter(|byte| **byte == b'.').count();
    if dots == 2 && !signature.contains(&b',') && !signature.contains(&b' ') {
        return Err("unsupported_scheme");
    }
    let words: Vec<_> = signature.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    if signature.len() > 16 * 1024 || words.len() > 32 {
        return Err("malformed_signature");
    }
    let schemes: Vec<_> = words.iter().filter_map(|word| scheme(word)).collect();
    if schemes.is_empty() {
        return Err("malformed_signature");
    }
    if !schemes.iter().any(|scheme| matches!(scheme, &b"v1" | &b"v1a")) {
        return Err("unsupported_scheme");
    }
    let parts = [id, b".", timestamp, b".", body];
    let valid = [v1(&parts), v1a(&parts)];
    let is_valid = |word: &&[u8]| valid.iter().any(|entry| entry.as_bytes() == *word);
    if words.iter().any(is_valid) { Ok(()) } else { Err("signature_mismatch") }
}

/// The version of an entry that can be read. A version is any text.
fn scheme(word: &[u8]) -> Option<&[u8]> {
    let comma = word.iter().position(|byte| *byte == b',')?;
    let (version, encoded) = (&word[..comma], &word[comma + 1..]);
    let len = || STANDARD.decode(encoded).ok().map(|bytes| bytes.len());
    let is_readable = match version {
        b"" => false,
        b"v1" => len() == Some(32),
        b"v1a" => len() == Some(64),
        _ => {
            let digits = encoded.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).count();
            let padding = &encoded[digits..];
            !encoded.is_empty() && encoded.len() % 4 == 0 && [&b""[..], b"=", b"=="].contains(&padding)
        }
    };
    is_readable.then_some(version)
}

/// Heads of genuine deliveries, and of wrong ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let head = |names: u8, prefix: &str, signature: &str| {
        format!("{names}{prefix}-id: msg_1\n{prefix}-timestamp: {NOW}\n{prefix}-signature: {signature}\n\n{{}}")
    };
    let good = head(0, "webhook", "$1");
    let mut all = vec![
        good.clone(),
        head(0, "Webhook", "$2"),
        head(1, "svix", "$3 $1"),
        head(2, "svix", "$4 v1,YQ== $2"),
        head(2, "webhook", "$3"),
        head(0, "webhook", "a.b.c"),
        head(0, "webhook", "v2,YWJj"),
        format!("0{good}"),
    ];
    for (from, to) in [
        ("webhook-id: msg_1\n", ""),
        ("webhook-id: msg_1", "webhook-id: msg_1\nwebhook-id: msg_1"),
        ("msg_1", "msg.1"),
        ("msg_1", "a b"),
        (": 1790661946", ": 01790661946"),
        (": 1790661946", ": 1790661646"),
        (": 1790661946", ": 1790661645"),
        (": 1790661946", ": 1790662247"),
        (": 1790661946", ": 9223372036854775808"),
        ("$1", ""),
        ("$1", "$1\nsvix-id: msg_1"),
    ] {
        all.push(good.replacen(from, to, 1));
    }
    all.into_iter().map(String::into_bytes).collect()
}
