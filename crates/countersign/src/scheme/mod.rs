//! The text of the signature header, read before any key is tried.

pub(crate) mod list;
#[cfg_attr(not(feature = "rs256"), path = "token_off.rs")]
pub(crate) mod token;

/// Whether the header is a token and not a list: it has two dots, and no comma or space.
pub(crate) fn is_token(header: &[u8]) -> bool {
    // The first comma of a list is near its start, so the check usually ends early.
    !header.iter().any(|byte| matches!(byte, b',' | b' ')) && header.iter().filter(|byte| **byte == b'.').count() == 2
}
