use std::fmt;

use zeroize::Zeroizing;

use crate::encoding::decode_base64;

/// Why a secret that can be read is probably not the one that was meant, or is known to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// It was published, as an example: everybody can sign with it.
    Published,
    /// Its text is that of a placeholder.
    Placeholder,
    /// It repeats a few bytes, or counts: no generator makes that.
    Regular,
    /// It is hex, as some senders show their keys, but is read as base64.
    Hex,
    /// It decodes to another `whsec_…`, or another kind of key: it was encoded twice.
    EncodedTwice,
    /// It decodes to the text of a key in hex or base64, which then should have been decoded once more.
    EncodedText,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Published => "a published example, so everybody can sign with it: rotate it",
            Self::Placeholder => "a placeholder: put the sender's secret in its place",
            Self::Regular => "a regular pattern, which can be guessed: use the sender's secret, of random bytes",
            Self::Hex => {
                "written in hex, but read as base64: encode the bytes in base64, unless the sender shows it like this"
            }
            Self::EncodedTwice => {
                "base64 of another `whsec_…` or key: configure what it decodes to, unless the sender signs with that text itself"
            }
            Self::EncodedText => {
                "base64 of what looks like hex or base64: decode it once more, unless the sender signs with that text itself"
            }
        })
    }
}

/// What follows `whsec_` in the examples of the specification, of Gemini's documentation and of Svix.
const PUBLISHED: [&str; 5] = [
    "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "plJ3nmyCDGBKInavdOK15jsl",
    "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
];
/// Seven characters at least, so that random text does not hold one.
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
/// Random bytes, even 16 of them, have more different ones.
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

/// Whether it is the text of a key of any kind, in whatever it was wrapped: quotes, JSON, UTF-16, capitals.
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

/// Base64 that no text of letters and digits could be, as some senders' secrets are.
fn is_base64(bytes: &[u8]) -> bool {
    let bare = bytes.strip_suffix(b"==").or(bytes.strip_suffix(b"=")).unwrap_or(bytes);
    let is_special = |byte: &u8| matches!(byte, b'+' | b'/' | b'-' | b'_');
    decode_text(bytes).is_some() && (bare.len() < bytes.len() || bytes.iter().any(is_special))
}
