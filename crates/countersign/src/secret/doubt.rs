use std::fmt;

use zeroize::Zeroizing;

use crate::encoding::decode_base64;

/// A reason why a valid secret is probably wrong or known to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// It is a published example, so anyone can sign with it.
    Published,
    /// It is a placeholder.
    Placeholder,
    /// It is a regular pattern, not random bytes.
    Regular,
    /// It looks like hex, but is decoded as base64.
    Hex,
    /// It decodes to another `whsec_…` or key, so it was encoded twice.
    EncodedTwice,
    /// It decodes to hex or base64 text, which may have to be decoded again.
    EncodedText,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Published => "a published example, so anyone can sign with it; rotate it",
            Self::Placeholder => "a placeholder; replace it with the sender's secret",
            Self::Regular => "a regular pattern, which can be guessed; use the random secret of the sender",
            Self::Hex => {
                "hex that is decoded as base64; encode the bytes as base64, unless the sender shows the secret in this form"
            }
            Self::EncodedTwice => {
                "base64 of another `whsec_…` or key; configure the decoded text, unless the sender signs with this one"
            }
            Self::EncodedText => {
                "base64 of text that looks like hex or base64; decode it again, unless the sender signs with that text"
            }
        })
    }
}

/// The text after `whsec_` in the examples of the specification, the Gemini documentation and Svix.
const PUBLISHED: [&str; 5] = [
    "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "plJ3nmyCDGBKInavdOK15jsl",
    "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
];
/// At least seven characters each, so that random text does not contain one.
const PLACEHOLDERS: [&str; 11] = [
    "changeme",
    "example",
    "insertsecret",
    "placeholder",
    "replaceme",
    "replacewith",
    "secrethere",
    "signingsecret",
    "supersecret",
    "webhooksecret",
    "yoursecret",
];
/// Random secrets have more distinct bytes, even with a length of 16.
const FEW: usize = 6;

pub(super) fn about_text(encoded: &str) -> Option<Doubt> {
    let bare = encoded.trim_end_matches('=');
    if PUBLISHED.iter().any(|known| known.trim_end_matches('=') == bare) {
        return Some(Doubt::Published);
    }
    if bare.len() >= 32 && is_hex(bare.as_bytes()) && bare.contains(|char: char| char.is_ascii_digit()) {
        return Some(Doubt::Hex);
    }
    is_placeholder(bare).then_some(Doubt::Placeholder)
}

fn is_placeholder(text: &str) -> bool {
    let letters: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect();
    PLACEHOLDERS.iter().any(|words| letters.contains(words))
        || (letters.starts_with("your") && letters.contains("secret"))
}

pub(super) fn about_bytes(bytes: &[u8]) -> Option<Doubt> {
    let step = |pair: &[u8]| pair[1].wrapping_sub(pair[0]);
    let steps = bytes.windows(2).map(step);
    let counts = bytes.len() > 1 && steps.clone().all(|other| Some(other) == steps.clone().next());
    let repeats = (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period]);
    let different = bytes.iter().enumerate().filter(|(at, byte)| !bytes[..*at].contains(byte)).count();
    if holds_key(bytes) || decode_text(bytes).is_some_and(|inner| holds_key(&inner)) {
        Some(Doubt::EncodedTwice)
    } else if counts || repeats || different < FEW {
        Some(Doubt::Regular)
    } else if std::str::from_utf8(bytes).is_ok_and(is_placeholder) {
        Some(Doubt::Placeholder)
    } else if is_hex(bytes) || is_base64(bytes) {
        Some(Doubt::EncodedText)
    } else {
        None
    }
}

/// Whether the text contains a key of any kind, also in quotes, JSON, UTF-16 or upper case.
fn holds_key(bytes: &[u8]) -> bool {
    let text: Zeroizing<Vec<u8>> =
        Zeroizing::new(bytes.iter().filter(|byte| **byte != 0).map(u8::to_ascii_lowercase).collect());
    let holds = |mark: &&str| text.windows(mark.len()).any(|part| part == mark.as_bytes());
    ["whsec_", "whsk_", "whpk_", "-----begin"].iter().any(holds)
}

fn decode_text(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    decode_base64(std::str::from_utf8(bytes).ok()?)
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.len().is_multiple_of(2) && bytes.iter().all(u8::is_ascii_hexdigit)
}

/// Whether this is base64 and not just letters and digits, which some senders use as secrets.
fn is_base64(bytes: &[u8]) -> bool {
    let bare = bytes.strip_suffix(b"==").or(bytes.strip_suffix(b"=")).unwrap_or(bytes);
    let is_special = |byte: &u8| matches!(byte, b'+' | b'/' | b'-' | b'_');
    decode_text(bytes).is_some() && (bare.len() < bytes.len() || bytes.iter().any(is_special))
}
