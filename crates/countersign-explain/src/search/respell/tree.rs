//! Bodies that are JSON.

use std::ops::Range;

use crate::finding::Explanation;
use crate::json::{self, Node};
use crate::search::step::text;

/// Larger bodies are not written again.
pub(super) const LIMIT: usize = 4 << 20;

pub(super) const RESERIALISED: Explanation = Explanation {
    code: "body_reserialised",
    title: "the body was parsed as JSON and serialized again",
    advice: "Verify the bytes as received, and parse them afterwards: `request.body` or `await request.get_data()` in \
             Python, `express.raw({type: '*/*'})` in Express, `await request.text()` in fetch handlers, `Bytes` in axum. \
             `json.dumps(request.json())` gives other bytes.",
};
/// The JSON text, as a tree.
pub(super) fn parsed(body: &[u8]) -> Option<(&str, Node)> {
    let text = text(body).filter(|text| text.len() <= LIMIT)?;
    Some((text, json::parse(text)?))
}

/// The text with each range replaced. The ranges are in order.
pub(super) fn splice(text: &str, edits: &[(Range<usize>, String)]) -> Vec<u8> {
    let (mut to, mut at) = (Vec::with_capacity(text.len() + edits.len() * 4), 0);
    for (range, replacement) in edits {
        to.extend_from_slice(&text.as_bytes()[at..range.start]);
        to.extend_from_slice(replacement.as_bytes());
        at = range.end;
    }
    to.extend_from_slice(&text.as_bytes()[at..]);
    to
}
