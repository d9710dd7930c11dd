//! Unicode normal forms.

use unicode_normalization::UnicodeNormalization as _;

use crate::finding::Explanation;
use crate::search::step::{Variants, one, text};

const NORMALISED: Explanation = Explanation {
    code: "body_recoded",
    title: "the body's characters were brought into another Unicode normal form",
    advice: "Verify the bytes as received: macOS, databases and `unicodedata.normalize` compose or decompose accents, which look \
             the same and have other bytes.",
};

/// Accents that were decomposed.
pub(in super::super) fn composed(body: &[u8]) -> Variants<'_> {
    let text = text(body).filter(|text| !text.is_ascii());
    one(text.map(|text| NORMALISED.variant("its accents are composed (NFC)", text.nfc().collect::<String>())))
}

type Normalise = fn(&str) -> String;

const FORMS: [(Normalise, &str); 4] = [
    (|text| text.nfc().collect(), "its accents are composed (NFC)"),
    (|text| text.nfd().collect(), "its accents are decomposed (NFD)"),
    (|text| text.nfkc().collect(), "it is in the normal form NFKC"),
    (|text| text.nfkd().collect(), "it is in the normal form NFKD"),
];

/// Accents composed or decomposed.
pub(in super::super) fn normal_forms(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).filter(|text| !text.is_ascii()) else { return one(None) };
    Box::new(FORMS.into_iter().map(|(normalise, once)| NORMALISED.variant(once, normalise(text))))
}
