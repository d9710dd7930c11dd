//! What the project's own fuzzers call, below the public API. It changes without notice.

use crate::json::Object;
use crate::scheme::token;

/// Whether a token with this payload binds this body.
///
/// Through the public API, each call would need a signature, which takes a hundred times as long.
pub fn binds(payload: &[u8], body: &[u8]) -> bool {
    Object::parse(payload).is_some_and(|claims| claims.has_unique_names()) && token::fits(payload, body, true)
}
