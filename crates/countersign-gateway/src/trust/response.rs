//! The headers of a backend's response that its sender gets.

use http::HeaderName;
use http::header::CONTENT_LENGTH;

use super::folded::Folded;
use super::known::is_vouching;
use super::names::HOP_BY_HOP;
use super::request::is_content;

/// Decides which headers, or trailers, of a backend's response its sender gets. The framing towards the sender follows
/// from the body as it was read, so all framing headers of the backend are omitted.
pub struct SenderHeaders<'a> {
    /// The values of `Connection`.
    connection: &'a [&'a [u8]],
}

impl<'a> SenderHeaders<'a> {
    /// For a response with these values of `Connection`.
    pub fn new(connection: &'a [&'a [u8]]) -> Self {
        Self { connection }
    }

    /// Whether the sender gets this header: it concerns more than one connection, and nobody could read it as one of the
    /// gateway's own.
    pub fn pass(&self, name: &HeaderName) -> bool {
        *name != CONTENT_LENGTH
            && !HOP_BY_HOP.contains(name)
            && (is_content(name) || !self.lists(name.as_str()))
            // Every reading of a name of the gateway has a `g`.
            && !(name.as_str().contains('g') && is_vouching(&Folded::of(name.as_str())))
    }

    /// Whether `Connection` lists this name (RFC 9110, section 7.6.1).
    pub fn lists(&self, name: &str) -> bool {
        let elements = self.connection.iter().flat_map(|value| value.split(|byte| *byte == b','));
        elements.map(<[u8]>::trim_ascii).any(|element| element.eq_ignore_ascii_case(name.as_bytes()))
    }
}
