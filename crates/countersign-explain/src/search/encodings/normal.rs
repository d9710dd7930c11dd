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

/// Accents composed or decomposed.
pub(in super::super) fn normal_forms(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).filter(|text| !text.is_ascii()) else { return one(None) };
    let forms: [(String, &str); 4] = [
        (text.nfc().collect(), "its accents are composed (NFC)"),
        (text.nfd().collect(), "its accents are decomposed (NFD)"),
        (text.nfkc().collect(), "it is in the normal form NFKC"),
        (text.nfkd().collect(), "it is in the normal form NFKD"),
    ];
    Box::new(forms.into_iter().map(|(form, once)| NORMALISED.variant(once, form)))
}
