//! The text of a secret: what is around it, and its base64.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// What a secret starts with.
pub(crate) const PREFIX: &str = "whsec_";

/// Characters that stand around a secret and cannot be seen, or are quotes.
const AROUND: [char; 14] =
    ['"', '\'', '`', '“', '”', '‘', '’', '\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{a0}', '\0'];

/// The secret without quotes, white space, versions and names.
pub(crate) fn bare(text: &str) -> Zeroizing<String> {
    let visible = |c: &char| !c.is_whitespace() && !AROUND[3..].contains(c);
    let solid: Zeroizing<String> = Zeroizing::new(unescaped(text).chars().filter(visible).collect());
    let solid = solid.trim_matches(AROUND);
    let lower = Zeroizing::new(solid.to_ascii_lowercase());
    let begin = if let Some(at) = lower.rfind(PREFIX) {
        Zeroizing::new(format!("{PREFIX}{}", &solid[at + PREFIX.len()..]))
    } else {
        // `SECRET=…`, `secret: …`, `Bearer …`; the `=` of padding is at the end.
        let solid = solid.strip_prefix("v1,").unwrap_or(solid);
        let value = solid.split_once(['=', ':']).map(|(_, value)| value.trim_start_matches(AROUND));
        Zeroizing::new(value.filter(|value| value.len() > 15).unwrap_or(solid).to_owned())
    };
    let is_secret = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    Zeroizing::new(begin.chars().take_while(|c| is_secret(*c)).collect())
}

/// The text with the escapes of URLs, HTML, JSON and shells undone.
fn unescaped(text: &str) -> Zeroizing<String> {
    let (mut plain, mut rest) = (Zeroizing::new(String::with_capacity(text.len())), text);
    while let Some(at) = rest.find(['%', '&', '\\']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (character, len) = escape(rest).unwrap_or((None, 1));
        match character {
            Some(character) => plain.push(character),
            // A backslash before anything else is a shell's.
            None if rest.starts_with('\\') => {}
            None => plain.push_str(&rest[..len]),
        }
        rest = &rest[len..];
    }
    plain.push_str(rest);
    plain
}

/// The character of the escape at the beginning, and its length.
fn escape(text: &str) -> Option<(Option<char>, usize)> {
    let hex = |range: std::ops::Range<usize>| u32::from_str_radix(text.get(range)?, 16).ok().and_then(char::from_u32);
    let of_len = |character: Option<char>, len| character.map(|character| (Some(character), len));
    if text.starts_with('%') {
        return of_len(hex(1..3), 3);
    }
    if let Some(number) = text.strip_prefix("&#") {
        let end = number.find(';').filter(|end| *end < 8)?;
        let code = match number[..end].strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number[..end].parse().ok()?,
        };
        return of_len(char::from_u32(code), end + 3);
    }
    match text.as_bytes().get(1)? {
        b'u' if text.starts_with('\\') => of_len(hex(2..6), 6),
        b'x' if text.starts_with('\\') => of_len(hex(2..4), 4),
        b'n' | b'r' | b't' if text.starts_with('\\') => Some((Some(' '), 2)),
        _ => None,
    }
}

/// Decodes base64 of either alphabet, padded or not, with or without the prefix.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&ALPHABET, LENIENT);
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    let standard = Zeroizing::new(encoded.replace('-', "+").replace('_', "/"));
    let mut bytes = Zeroizing::new(Vec::with_capacity(standard.len()));
    ENGINE.decode_vec(standard.as_bytes(), &mut bytes).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_left() {
        for text in [
            "\u{feff}whsec_ab+/cd==\r\n",
            "export SECRET='whsec_ab+/cd=='",
            "{\"secret\": \"whsec_ab+\\/cd==\",}",
            "v1,whsec_ab+/cd==",
            "WHSEC_ab+/cd==",
            "whsec_whsec_ab+/cd==",
            "whsec_ab%2B%2Fcd%3D%3D\\n",
            "“whsec_ab+/cd==”",
            "whsec%5Fab%2b/cd%3d%3D%0A",
            "whsec_ab\\u002b\\u002Fcd\\u003d\\u003D",
            "whsec_ab&#43;&#x2f;cd&#61;&#x3D;",
            "whsec_ab\\x2b/cd==\\r\\n",
            "$env:SECRET = \"whsec_ab+/cd==\"",
        ] {
            assert_eq!(bare(text).as_str(), "whsec_ab+/cd==", "{text}");
        }
        assert_eq!(bare("KEY=AAAAAAAAAAAAAAAAAAAAAA==").as_str(), "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(bare("AAAAAAAAAAAAAAAAAAAAAA==").as_str(), "AAAAAAAAAAAAAAAAAAAAAA==");
    }
}
