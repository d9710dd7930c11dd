//! The rule for names of sources and labels of keys.

use std::sync::Arc;

/// The name of a source, shared by all its results.
pub(crate) type SharedSource = Arc<str>;

pub(crate) const MAX_SOURCE_LEN: usize = 64;

/// Whether the text is a valid name of a source or label of a key. Names are used in headers, metrics and replay keys.
pub(crate) fn is_source_name(text: &str) -> bool {
    (1..=MAX_SOURCE_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
