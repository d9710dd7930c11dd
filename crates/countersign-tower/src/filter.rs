//! What an event filter makes of a verified delivery.

use countersign::{EventFilter, Verified};
use http::{HeaderMap, HeaderName};

/// The event's type in CloudEvents' binary mode ([HTTP binding], section 3.1). It is not signed.
///
/// [HTTP binding]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");

/// Whether a delivery is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Wanted,
    /// Its type can be read, and no pattern fits it.
    Unwanted,
    /// It has no type that can be read, so the filter has nothing to say about it.
    Untyped,
}

/// Judges by the signed body. A header counts only where the body has no type: it must not overrule what
/// was signed.
pub(crate) fn choose(filter: &EventFilter, verified: &Verified, headers: &HeaderMap) -> Choice {
    let signed = verified.event_type();
    match signed.as_deref().or_else(|| ce_type(headers)) {
        None => Choice::Untyped,
        Some(event_type) if filter.admits(Some(event_type)) => Choice::Wanted,
        Some(_) => Choice::Unwanted,
    }
}

/// The header's value, where there is exactly one that is visible ASCII.
fn ce_type(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(CE_TYPE).iter();
    let value = values.next()?.to_str().ok()?.trim();
    (!value.is_empty() && values.next().is_none()).then_some(value)
}
