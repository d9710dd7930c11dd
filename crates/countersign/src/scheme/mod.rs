//! The text of the signature header, read before any key is tried.

pub(crate) mod list;
#[cfg_attr(not(feature = "rs256"), path = "token_off.rs")]
pub(crate) mod token;

/// Whether this is one token rather than a list: two dots, no comma, no space.
pub(crate) fn is_token(header: &[u8]) -> bool {
    // A list has its first comma near its beginning, so most headers are told apart at once.
    !header.iter().any(|byte| matches!(byte, b',' | b' ')) && header.iter().filter(|byte| **byte == b'.').count() == 2
}
