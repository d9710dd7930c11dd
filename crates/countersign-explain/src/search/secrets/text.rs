//! The text of a secret: what is around it, and its base64.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// What a secret starts with.
pub(super) const PREFIX: &str = "whsec_";

/// Characters that stand around a secret and cannot be seen, or are quotes.
const AROUND: [char; 14] =
    ['"', '\'', '`', '“', '”', '‘', '’', '\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{a0}', '\0'];

/// The secret without quotes, white space, versions and names.
pub(super) fn bare(text: &str) -> Zeroizing<String> {
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
    const CODES: [(&str, &str); 14] = [
        ("%2B", "+"),
        ("%2b", "+"),
        ("%2F", "/"),
        ("%2f", "/"),
        ("%3D", "="),
        ("%3d", "="),
        ("&#x3D;", "="),
        ("&#61;", "="),
        ("\\/", "/"),
        ("\\u003d", "="),
        ("\\u002B", "+"),
        ("\\n", " "),
        ("\\r", " "),
        ("\\", ""),
    ];
    CODES
        .iter()
        .fold(Zeroizing::new(text.to_owned()), |text, (code, character)| Zeroizing::new(text.replace(code, character)))
}

/// Decodes base64 of either alphabet, padded or not, with or without the prefix.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
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
        ] {
            assert_eq!(bare(text).as_str(), "whsec_ab+/cd==", "{text}");
        }
        assert_eq!(bare("KEY=AAAAAAAAAAAAAAAAAAAAAA==").as_str(), "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(bare("AAAAAAAAAAAAAAAAAAAAAA==").as_str(), "AAAAAAAAAAAAAAAAAAAAAA==");
    }
}
