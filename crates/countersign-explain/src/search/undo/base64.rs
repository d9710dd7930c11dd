//! Bodies in base64 and hexadecimal.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::wrapped::WRAPPED;
use crate::search::step::{Variants, one, text};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Base64 in either alphabet, padded or not, on one line or several, also in quotes.
pub(in super::super) fn base64(body: &[u8]) -> Variants<'_> {
    one(text(body).and_then(decode).map(|bytes| WRAPPED.variant("the body is decoded from base64", bytes)))
}

/// `data:application/json;base64,…`, and PEM-like lines around it.
pub(in super::super) fn data_url(body: &[u8]) -> Variants<'_> {
    let encoded = text(body).and_then(|text| {
        let text = text.trim().trim_matches('"');
        let after_comma = text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).map(|(_, rest)| rest);
        let in_pem = || {
            text.strip_prefix("-----BEGIN ")?.split_once("-----\n")?.1.split_once("-----END ").map(|(inner, _)| inner)
        };
        decode(after_comma.or_else(in_pem)?)
    });
    one(encoded.map(|bytes| WRAPPED.variant("the base64 in the body is decoded", bytes)))
}

/// The bytes of this base64, whatever its form.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_matches(['"', '\'']);
    // A form decoder turns `+` into spaces, and lines are wrapped; JSON escapes the `/` and the line ends.
    let spaces = if text.contains(['\n', '\r']) { "" } else { "+" };
    let text = text.replace("\\n", "").replace("\\r", "").replace("\\/", "/").replace(['\n', '\r', '\t'], "");
    let text = text.replace(' ', spaces).replace('-', "+").replace('_', "/");
    (text.len() >= 4).then(|| LENIENT.decode(text).ok())?
}

/// Digits in hexadecimal: `7b22`, `0x7b22`, `\x7b22`, `7b 22`, `7b:22`.
pub(in super::super) fn hexadecimal(body: &[u8]) -> Variants<'_> {
    let digits = text(body).and_then(|text| {
        let text = text.trim().trim_matches(['"', '\'']).trim_start_matches('<').trim_end_matches('>');
        let text = text.trim_start_matches("Buffer ");
        let is_hex = |c: char| c.is_ascii_hexdigit() || matches!(c, ' ' | ':' | '\n' | '\r' | ',' | '\\' | 'x' | '-');
        let is_plain = text.len() >= 4 && text.chars().all(is_hex);
        is_plain.then(|| text.replace("0x", "").replace("\\x", "").replace([' ', ':', '\n', '\r', ',', '-'], ""))
    });
    let bytes = digits.and_then(|digits| hex::decode(digits).ok());
    one(bytes.map(|bytes| WRAPPED.variant("the body is decoded from hexadecimal", bytes)))
}
