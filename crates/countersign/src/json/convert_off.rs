//! Replaces `convert.rs` without the feature `gemini`, so that `serde_json` is not linked.

pub(super) fn is_representable(number: &str) -> bool {
    number.parse().is_ok_and(f64::is_finite)
}
