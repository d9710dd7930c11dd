//! Signs of a body that was cut off, or that has another length than it was sent with.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::compressed::decompressed;
use crate::case::Case;
use crate::finding::{Explanation, Finding};

const TRUNCATED: Explanation = Explanation {
    code: "body_truncated",
    title: "the end of the body is missing",
    advice: "Capture the request again, whole: a limit of a buffer, a log or a column of a database has cut the body, or it was \
             read before all of it had arrived. What is missing cannot be found.",
};

/// What logs and consoles write where they cut a text.
const MARKS: [&str; 14] = [
    "…",
    "...",
    "[truncated]",
    "<truncated>",
    "(truncated)",
    "[truncated",
    "[cut]",
    "[snip]",
    "<snip>",
    "more bytes>",
    "more bytes",
    "more characters",
    "chars truncated",
    "bytes omitted",
];
/// How much of the end is searched for them, in bytes.
const END: usize = 60;
/// Lengths in bytes and characters that buffers, logs and columns have.
const LIMITS: [usize; 19] = [
    100, 200, 255, 256, 500, 512, 1000, 1024, 2000, 2048, 4000, 4096, 8000, 8192, 16_384, 32_768, 65_535, 65_536,
    131_072,
];
/// Larger limits are multiples of this.
const LARGE: usize = 256 << 10;
/// How many bytes the mark at the end, or a brace that was added, may take beyond a limit.
const NEAR: usize = 4;

/// A text that stops early: a mark at its end, JSON whose brackets are not closed, or an encoding with an impossible length.
pub(super) fn truncated(case: &Case) -> Option<Finding> {
    let text = lossy(case);
    let text = text.trim();
    if let Some(mark) = mark(text) {
        return Some(
            TRUNCATED
                .likely(format!("The body ends with `{mark}` after {} bytes, which is not part of it.", text.len())),
        );
    }
    if let Some(what) = odd(text) {
        return Some(TRUNCATED.likely(what));
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err().filter(|_| text.starts_with(['{', '[']))?;
    let start = ["{\"", "[{", "{\n", "{\r", "{ ", "[\n", "[\""].iter().any(|start| text.starts_with(start));
    (error.is_eof() && start).then(|| {
        let limit = limit(case.capture.body.len());
        let limit =
            limit.map(|limit| format!(" Many buffers, logs and columns have the limit {limit}.")).unwrap_or_default();
        TRUNCATED.likely(format!(
            "The body begins as JSON, and ends after {} bytes before its brackets are closed.{limit}",
            text.len()
        ))
    })
}

/// The body as text, also if it was cut within a character.
fn lossy(case: &Case) -> std::borrow::Cow<'_, str> {
    let body = &case.capture.body;
    match str::from_utf8(body) {
        // Only the end may be incomplete.
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&body[..error.valid_up_to()]),
        Err(_) => "".into(),
        Ok(text) => text.into(),
    }
}

fn mark(text: &str) -> Option<&'static str> {
    let from = (0..=text.len().saturating_sub(END)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let end = text[from..].to_lowercase();
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let is_at_end = |mark: &str| {
        let end = end.trim_end_matches(['"', '}', ']', ')', '>', '.', ' ']);
        end.ends_with(mark.trim_end_matches(['"', '}', ']', ')', '>', '.']))
    };
    let found = MARKS.iter().find(|mark| match **mark {
        "…" | "..." => end.trim_end_matches(['"', '\'']).ends_with(*mark),
        "[truncated" => end.contains(*mark),
        mark => is_at_end(mark),
    });
    found.copied().filter(|_| !is_json && text.len() > END)
}

/// Base64 and hexadecimal whose length no bytes have.
fn odd(text: &str) -> Option<String> {
    let digits = text.strip_prefix("\\x").or_else(|| text.strip_prefix("0x")).unwrap_or(text);
    let is_hex = digits.len() > 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_base64_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    let is_base64 = text.len() > 16 && text.bytes().all(is_base64_digit);
    if is_hex && digits.len() % 2 == 1 {
        Some(format!("The body is {} hexadecimal digits, an odd number, so at least one is missing.", digits.len()))
    } else if is_base64 && !is_hex && text.len() % 4 == 1 {
        Some(format!(
            "The body is {} characters of base64, a length that no bytes have, so some are missing.",
            text.len()
        ))
    } else {
        None
    }
}

/// The limit that a length suggests.
fn limit(len: usize) -> Option<String> {
    let is_near = |limit: usize| (limit.saturating_sub(NEAR)..=limit).contains(&len);
    let large = len.next_multiple_of(LARGE);
    let limit = LIMITS
        .into_iter()
        .find(|limit| is_near(*limit))
        .or_else(|| (len > LARGE - NEAR && is_near(large)).then_some(large))?;
    Some(if limit.is_multiple_of(1024) { format!("of {} KiB", limit / 1024) } else { format!("of {limit} bytes") })
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
    let is_encoded = !matches!(case.header(&CONTENT_ENCODING).trim(), "" | "identity");
    match len.cmp(&said) {
        _ if is_encoded => None,
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => {
            let limit = limit(len)
                .map(|limit| format!(" It has the limit {limit} of many buffers and logs."))
                .unwrap_or_default();
            Some(BODY_LENGTH.likely(format!(
                "`content-length` is {said}, and the body has {len} bytes: {} are missing, at its end or within it.{limit}",
                said - len
            )))
        }
        // Compressed, it would be shorter.
        std::cmp::Ordering::Greater if said * 5 < len * 4 && case.body_text().is_some() && said > 0 => {
            Some(decompressed(format!(
                "`content-length` is {said}, and the body has {len} bytes, as if it had been compressed when it was sent."
            )))
        }
        std::cmp::Ordering::Greater => {
            Some(BODY_LENGTH.likely(format!(
                "`content-length` is {said}, and the body has {len} bytes: {} were added.",
                len - said
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_limits_are_named() {
        for (len, expected) in [
            (4096, Some("of 4 KiB")),
            (4095, Some("of 4 KiB")),
            (65_535, Some("of 65535 bytes")),
            (65_536, Some("of 64 KiB")),
            (1 << 20, Some("of 1024 KiB")),
            (4000, Some("of 4000 bytes")),
            (4097, None),
            (777, None),
        ] {
            assert_eq!(limit(len).as_deref(), expected, "{len}");
        }
    }

    #[test]
    fn a_mark_at_the_end_is_seen() {
        let text = format!("{{\"type\":\"batch.succeeded\",\"note\":\"{}", "a".repeat(60));
        for (end, expected) in [
            ("...", Some("...")),
            ("…", Some("…")),
            ("…\"", Some("…")),
            ("[TRUNCATED]", Some("[truncated]")),
            ("... [truncated 120 chars]", Some("[truncated")),
            ("... 120 more characters", Some("more characters")),
            ("\"}", None),
            ("a...\"}", None),
        ] {
            assert_eq!(mark(&format!("{text}{end}")), expected, "{end}");
        }
        assert!(odd("7b2274797065223a2261222").is_some() && odd("7b2274797065223a22612221").is_none());
    }
}
