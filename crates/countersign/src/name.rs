//! The rule for names of sources and labels of keys.

use std::sync::Arc;

/// A source's name, shared between verdicts.
pub(crate) type SharedSource = Arc<str>;

pub(crate) const MAX_SOURCE_LEN: usize = 64;

/// Whether this may name a source or a key: it goes into headers, metrics and replay keys.
pub(crate) fn is_source_name(text: &str) -> bool {
    (1..=MAX_SOURCE_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
