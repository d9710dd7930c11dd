//! A signing key, made from the text of a secret.

use std::rc::Rc;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use countersign::Secret;
use zeroize::Zeroizing;

use crate::secrets::SecretText;

/// What a secret starts with.
pub(super) const PREFIX: &str = "whsec_";

/// A secret, and the bytes that other senders' conventions need.
pub(crate) struct Key {
    pub(crate) label: String,
    pub(crate) secret: Secret,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

impl Key {
    /// `None` if these are too few bytes for a secret.
    pub(crate) fn new(label: &str, bytes: Zeroizing<Vec<u8>>) -> Option<Rc<Self>> {
        let secret = Secret::from_bytes(&bytes).ok()?;
        Some(Rc::new(Self { label: label.into(), secret, bytes }))
    }

    /// The key of a secret that the verifier accepts.
    pub(super) fn of_secret(given: &SecretText) -> Option<Rc<Self>> {
        Secret::parse(&given.text).ok().and_then(|_| Self::decoded(&given.label, &given.text))
    }

    /// The key that this text encodes, with or without the prefix.
    pub(super) fn decoded(label: &str, text: &str) -> Option<Rc<Self>> {
        Self::new(label, decode(text)?)
    }
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
    Some(bytes)
}
