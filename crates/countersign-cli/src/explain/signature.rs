//! Mistakes in the encoding of signatures.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use countersign::header::WEBHOOK_SIGNATURE;

use super::case::Case;
use super::finding::{Explanation, Repairs};
use super::trial::Change;

/// How many words of a header are tried at most.
const MAX_WORDS: usize = 64;

const HMAC_LEN: usize = 32;
const ED25519_LEN: usize = 64;

const URL_ALPHABET: Explanation = Explanation {
    code: "signature_base64url",
    title: "the signature is in base64url",
    advice: "The sender must encode it in standard base64: `+` and `/`, with `=` at the end.",
};
const UNPADDED: Explanation = Explanation {
    code: "signature_unpadded",
    title: "the signature has lost the `=` at its end",
    advice: "The sender must encode it in padded base64; look for something that splits the header at `=`.",
};
const HEXADECIMAL: Explanation = Explanation {
    code: "signature_hex",
    title: "the signature is in hexadecimal",
    advice: "The sender must encode the bytes in base64, after the version and a comma: other senders' conventions use hex.",
};
const HEX_IN_BASE64: Explanation = Explanation {
    code: "signature_hex_in_base64",
    title: "the signature is base64 of hexadecimal digits",
    advice: "The sender must encode the bytes of the HMAC, not their hexadecimal form: `digest()`, not `hexdigest()`.",
};
const NO_VERSION: Explanation = Explanation {
    code: "signature_without_version",
    title: "the signature has no version in front of it, or the wrong one",
    advice: "The header is `v1,` (or `v1a,` for Ed25519) and base64; look for something that splits the header at the comma.",
};
const JOINED: Explanation = Explanation {
    code: "signature_punctuated",
    title: "the signature has characters other than spaces around it",
    advice: "Signatures are delimited by one space, without quotes; look for what joins or quotes header values.",
};
const ESCAPED: Explanation = Explanation {
    code: "signature_escaped",
    title: "the signature was percent-encoded, or decoded as a form",
    advice: "Use the header unchanged: `+`, `/` and `=` are not escaped in it.",
};

/// The right bytes in a form that is not accepted.
pub(super) fn respelled(case: &Case) -> Repairs<'_> {
    let header = case.header(&WEBHOOK_SIGNATURE);
    Box::new(readings(&header).into_iter().map(|(explanation, signature)| {
        let once = match explanation.code {
            "signature_base64url" => "it is read as base64url",
            "signature_unpadded" => "its padding is restored",
            "signature_hex" => "it is read as hexadecimal",
            "signature_hex_in_base64" => "it is decoded, and read as hexadecimal",
            "signature_without_version" => "it is read as a signature of its length",
            "signature_escaped" => "the escapes are undone",
            _ => "the characters around it are removed",
        };
        explanation.repair(once, Change::Signatures(vec![signature]))
    }))
}

/// The possible readings of a malformed header, each in standard base64.
pub(super) fn readings(header: &str) -> Vec<(&'static Explanation, String)> {
    let plain = words(header).filter_map(|(explanation, signature)| Some((explanation?, signature)));
    // A form decoder turns `+` into spaces.
    let glued = header.trim().replace(' ', "+");
    let escaped = [percent_decoded(header), glued].into_iter().filter(|text| *text != header);
    let escaped = escaped.flat_map(|text| words(&text).map(|(_, signature)| (&ESCAPED, signature)).collect::<Vec<_>>());
    plain.chain(escaped).collect()
}

fn percent_decoded(header: &str) -> String {
    const CODES: [(&str, &str); 7] =
        [("%2B", "+"), ("%2b", "+"), ("%2F", "/"), ("%2f", "/"), ("%3D", "="), ("%3d", "="), ("%2C", ",")];
    CODES.iter().fold(header.to_owned(), |text, (code, character)| text.replace(code, character))
}

/// The signatures in a header, each with the mistake in its encoding, if there is one.
fn words(header: &str) -> impl Iterator<Item = (Option<&'static Explanation>, String)> {
    let words = header.split([' ', '\t', ',', ';', '"', '\'', '[', ']']).filter(|word| !word.is_empty());
    let is_quoted = header.contains(['"', '\'', ';', '[']) || header.contains(", ");
    words.take(MAX_WORDS).filter_map(move |word| {
        // `v1=…`, `sha256=…`; the `=` of padding is at the end.
        let named = word.split_once('=').filter(|(_, value)| !value.trim_matches('=').is_empty());
        let (explanation, signature) = read(named.map_or(word, |(_, value)| value))?;
        let place = if is_quoted || named.is_some() {
            Some(&JOINED)
        } else if ["v1,", "v1a,"].iter().any(|version| has_entry(header, version, word, &signature)) {
            None
        } else {
            Some(&NO_VERSION)
        };
        Some((explanation.or(place), signature))
    })
}

/// Whether the word follows this version in the header, and has the version's length.
fn has_entry(header: &str, version: &str, word: &str, signature: &str) -> bool {
    let is_ed25519 = STANDARD.decode(signature).is_ok_and(|bytes| bytes.len() == ED25519_LEN);
    is_ed25519 == (version == "v1a,") && header.contains(&format!("{version}{word}"))
}

fn read(word: &str) -> Option<(Option<&'static Explanation>, String)> {
    let is_tag = |bytes: &Vec<u8>| matches!(bytes.len(), HMAC_LEN | ED25519_LEN);
    if let Some(bytes) = hex::decode(word).ok().filter(is_tag) {
        return Some((Some(&HEXADECIMAL), STANDARD.encode(bytes)));
    }
    let standard = word.replace('-', "+").replace('_', "/");
    let bytes = STANDARD_NO_PAD.decode(standard.trim_end_matches('=')).ok()?;
    if let Some(inner) = str::from_utf8(&bytes).ok().and_then(|text| hex::decode(text).ok()).filter(is_tag) {
        return Some((Some(&HEX_IN_BASE64), STANDARD.encode(inner)));
    }
    let explanation = if standard != word {
        Some(&URL_ALPHABET)
    } else if !word.ends_with('=') {
        Some(&UNPADDED)
    } else {
        None
    };
    is_tag(&bytes).then(|| (explanation, STANDARD.encode(bytes)))
}
