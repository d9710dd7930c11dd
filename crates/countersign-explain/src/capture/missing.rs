//! Captures of which a part is missing: what it is, and the command that gets it.

use super::lines;
use crate::json;

/// What is missing in a text that cannot be read as a request.
pub(super) fn named(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return Some(
            "is empty: capture the request with `countersign listen --save FOLDER`, which keeps headers and body"
                .into(),
        );
    }
    let first = text.lines().next().unwrap_or_default().trim();
    if first.starts_with("HTTP/") {
        return Some(
            "this is a response, not a request: capture what the sender sent, its headers and its body".into(),
        );
    }
    if let Some(node) = json::parse(text) {
        let is_event = ["type", "event", "data", "object"].iter().any(|name| node.get(name).is_some());
        return is_event.then(|| {
            "this is the body alone: give it as --body, and the headers of the same request as --headers (`countersign listen --save \
             FOLDER` keeps both)"
                .into()
        });
    }
    let is_verbose = text.lines().any(|line| line.starts_with("> ") || line.starts_with("* "));
    let headers = lines::headers(text).ok().filter(|headers| headers.len() > 1 || is_verbose)?;
    let what = format!("has {} headers, but no body", headers.len());
    Some(if is_verbose {
        format!(
            "{what}, because `curl -v` does not print it: run `curl --trace FILE …` and give that file, or give this file as --headers and the bytes of the body as --body"
        )
    } else {
        format!(
            "{what}: give this file as --headers and the bytes of the body as --body, or capture both with `countersign listen --save FOLDER`"
        )
    })
}
