//! Base64 as senders write keys.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

// Senders differ in padding, and some set bits after the last byte. Neither weakens a key.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
pub(crate) const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Decodes base64 in the standard or the URL-safe alphabet, with or without padding.
pub(crate) fn decode_base64(encoded: &str) -> Option<Zeroizing<Vec<u8>>> {
    let engine = if encoded.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    // Allocate the whole capacity first: a vector that grows leaves copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len()));
    engine.decode_vec(encoded, &mut bytes).ok()?;
    Some(bytes)
}
