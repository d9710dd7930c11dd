//! What a request without a route asked for.

use crate::config::shown;

/// The most bytes of a method, host or path that are shown.
const MAX_SHOWN: usize = 200;

/// What a request without a route asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unrouted {
    /// The method.
    pub method: String,
    /// The host, if there is exactly one.
    pub host: Option<String>,
    /// The path without the query.
    pub path: String,
    /// The route that it was probably meant for.
    pub hint: Option<String>,
}

impl Unrouted {
    /// Shortens what a client wrote, and hides what could be a secret.
    pub fn new(method: &str, host: Option<&str>, path: &str, hint: Option<String>) -> Self {
        Self { method: shortened(method), host: host.map(shortened), path: shortened(path), hint }
    }
}

/// At most [`MAX_SHOWN`] bytes of what a client wrote.
fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_SHOWN);
    let (shown, dots) = (shown(&text[..end]), if end < text.len() { "…" } else { "" });
    format!("{shown}{dots}")
}
