//! Space-delimited `version,base64` entries: the schemes `v1` and `v1a`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{ED25519_LEN, TAG_LEN};

/// The maximum number of entries. A sender that rotates its keys has a few.
pub(crate) const MAX_ENTRIES: usize = 32;
/// The maximum length of a list, in bytes. It is enough for 32 entries of either version, and for future versions.
const MAX_LEN: usize = 16 * 1024;

/// A `v1` signature: an HMAC-SHA256 tag.
pub(crate) type Signature = [u8; TAG_LEN];

/// A well-formed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `v1`
    Hmac(Signature),
    /// `v1a`
    Ed25519([u8; ED25519_LEN]),
    /// An unknown version.
    Unknown,
}

/// The well-formed entries. Base64 must be standard and padded, and have the length of the version.
pub(crate) fn entries(header: &[u8]) -> impl Iterator<Item = Entry> {
    words(header).filter_map(entry)
}

/// Whether the list exceeds the limits, well-formed or not.
pub(crate) fn is_too_long(header: &[u8]) -> bool {
    // Each entry has at least two bytes, including the space, so most lists need not be counted.
    header.len() > MAX_LEN || header.len() >= 2 * MAX_ENTRIES && words(header).count() > MAX_ENTRIES
}

fn words(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

fn entry(word: &[u8]) -> Option<Entry> {
    let comma = word.iter().position(|byte| *byte == b',')?;
    let (version, encoded) = (&word[..comma], &word[comma + 1..]);
    match version {
        b"" => None,
        b"v1" => decode(encoded).map(Entry::Hmac),
        b"v1a" => decode(encoded).map(Entry::Ed25519),
        _ => (!encoded.is_empty() && is_base64(encoded)).then_some(Entry::Unknown),
    }
}

fn decode<const N: usize>(encoded: &[u8]) -> Option<[u8; N]> {
    // The decoder needs room for whole groups of three bytes.
    let mut room = [0; 66];
    if encoded.len() != N.div_ceil(3) * 4 {
        return None;
    }
    let len = STANDARD.decode_slice(encoded, &mut room[..N.div_ceil(3) * 3]).ok()?;
    room[..len].try_into().ok()
}

/// The length of an unknown version is unknown, so only the format is checked.
fn is_base64(encoded: &[u8]) -> bool {
    let data = encoded.strip_suffix(b"==").or_else(|| encoded.strip_suffix(b"=")).unwrap_or(encoded);
    encoded.len().is_multiple_of(4)
        && data.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let zeros = format!("v1,{}=", "A".repeat(43));
        let read = |header: &str| entries(header.as_bytes()).collect::<Vec<_>>();
        assert_eq!(read(&zeros), [Entry::Hmac([0; 32])]);
        assert_eq!(read(&format!("  v1,***  {zeros} ")), [Entry::Hmac([0; 32])]);
        assert_eq!(read("v9,YWJj v1,YWJj v1 ,YWJj v9,abc v9, v1,"), [Entry::Unknown]);
        // The last sextet holds bits of no byte, so two texts would mean the same bytes.
        assert_eq!(read(&format!("v1,{}B=", "A".repeat(42))), []);
        assert_eq!(read(&format!("v1,{}", "A".repeat(43))), []);
        assert_eq!(read(&format!("v1a,{}==", "A".repeat(86))), [Entry::Ed25519([0; 64])]);
        assert_eq!(read(&format!("v1a,{}=", "A".repeat(43))), []);
    }
}
