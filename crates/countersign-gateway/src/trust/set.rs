//! Headers that a route sets.

use http::{HeaderName, HeaderValue};

use super::folded::{Folded, read_alike};
use super::known::is_vouching;
use super::names::{FORWARDED, FRAMING, HOP_BY_HOP, SIGNED};

/// The headers of a sender that names them as Svix does.
const SVIX: [HeaderName; 3] = [
    HeaderName::from_static("svix-id"),
    HeaderName::from_static("svix-timestamp"),
    HeaderName::from_static("svix-signature"),
];

/// Headers that a route sends to its backends, in place of a client's that read like them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetHeaders(Vec<(HeaderName, HeaderValue)>);

impl SetHeaders {
    /// Names that [`settable`] has accepted, with their values.
    pub fn new(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        Self(headers.into_iter().collect())
    }

    /// The names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }

    /// Whether one of them takes the place of this header of a client.
    pub(super) fn replaces(&self, name: &str) -> bool {
        self.0.iter().any(|(set, _)| read_alike(name, set.as_str()))
    }
}

/// The name of a header that a route may set.
///
/// # Errors
///
/// The text is not the name of a header, or the gateway or the sender writes that header.
pub fn settable(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .ok()
        .filter(|name| name.as_str().contains(char::is_alphanumeric))
        .ok_or_else(|| format!("`{text}` is not the name of a header, like \"authorization\""))?;
    let folded = Folded::of(name.as_str());
    if is_vouching(&folded) {
        return Err(format!("`{text}` is the gateway's own: choose a name without `countersign`"));
    }
    for (kind, names) in [
        ("signed by the sender", &SIGNED[..]),
        ("signed by the sender", &SVIX),
        ("part of the request's framing, which the gateway writes itself", &FRAMING),
        ("for one connection only", &HOP_BY_HOP),
        ("written by the gateway from the connection", &FORWARDED),
    ] {
        if names.iter().any(|known| folded.is(known)) {
            return Err(format!("`{text}` is {kind}: it cannot be set"));
        }
    }
    Ok(name)
}

/// Whether a backend could take one name for the other.
pub fn are_alike(one: &HeaderName, other: &HeaderName) -> bool {
    read_alike(one.as_str(), other.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_that_nobody_else_writes_can_be_set() {
        for name in ["authorization", "X-Api-Key", "cookie", "x-real-ip", "user-agent", "content-type"] {
            assert!(settable(name).is_ok(), "{name}");
        }
        for name in [
            "countersign-key",
            "Countersign_Verdict",
            "countersign-x",
            "webhook-id",
            "Webhook_Signature",
            "svix-id",
            "host",
            "content-length",
            "connection",
            "transfer-encoding",
            "x-forwarded-for",
            "X_Forwarded_Host",
            "a b",
            "",
            "--",
        ] {
            assert!(settable(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_clients_header_that_reads_like_a_set_one_is_replaced() {
        let set = SetHeaders::new([(HeaderName::from_static("x-api-key"), HeaderValue::from_static("ours"))]);
        for (name, is_replaced) in
            [("x-api-key", true), ("x_api_key", true), ("http-x-api-key", true), ("x-api", false)]
        {
            assert_eq!(set.replaces(name), is_replaced, "{name}");
        }
    }
}
