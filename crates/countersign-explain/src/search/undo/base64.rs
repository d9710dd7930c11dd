//! Bodies in base64 and hexadecimal.

use super::wrapped::WRAPPED;
use crate::encoded;
use crate::search::step::{Variants, one, text};

/// Base64 in either alphabet, padded or not, on one line or several, also in quotes.
pub(in super::super) fn base64(body: &[u8]) -> Variants<'_> {
    let bytes = text(body).and_then(encoded::base64);
    one(bytes.map(|bytes| WRAPPED.variant("the body is decoded from base64", bytes)))
}

/// Base64 with something around it: a data URL, PEM-like lines, the headers of MIME, a name.
pub(in super::super) fn armored(body: &[u8]) -> Variants<'_> {
    let bytes = text(body).and_then(encoded::armored);
    one(bytes.map(|bytes| WRAPPED.variant("the base64 in the body is decoded", bytes)))
}

/// Digits in hexadecimal, in each form of databases and languages.
pub(in super::super) fn hexadecimal(body: &[u8]) -> Variants<'_> {
    let bytes = text(body).and_then(encoded::hexadecimal);
    one(bytes.map(|bytes| WRAPPED.variant("the body is decoded from hexadecimal", bytes)))
}
