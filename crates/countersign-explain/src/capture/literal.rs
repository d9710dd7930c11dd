//! Objects as programming languages print them.

/// The object without the name of its class: `Headers({…})`, `Map(3) {…}`, `EnvironHeaders([…])`.
pub(super) fn inside(text: &str) -> &str {
    let text = text.trim();
    let Some(start) = text.find(['{', '[']) else { return text };
    let is_class = |c: char| c.is_alphanumeric() || matches!(c, '(' | ')' | ' ' | '.' | '_' | '<' | '*' | '=' | '$');
    let end = text.rfind(['}', ']']).unwrap_or(0);
    let tail = text.get(end + 1..).unwrap_or_default();
    let is_wrapped =
        start < end && text[..start].chars().all(is_class) && tail.chars().all(|c| matches!(c, ')' | '>' | ';' | ' '));
    if is_wrapped && !text.starts_with("map[") && !text.starts_with("array") { &text[start..=end] } else { text }
}
