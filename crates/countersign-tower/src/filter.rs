//! Applies an event filter to a verified delivery.

use std::borrow::Cow;

use countersign::Verified;
use countersign::filter::EventFilter;
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

/// The event type in the binary mode of CloudEvents ([HTTP binding], section 3.1). It is not signed.
///
/// [HTTP binding]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");

/// Whether the service wants a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Wanted,
    /// Its type can be read, and matches no pattern.
    Unwanted,
    /// Its type cannot be read, so the filter does not apply.
    Untyped,
}

/// Decides by the type in the signed body. The header counts only if the body has no type, because an unsigned value
/// must not override a signed one.
pub(crate) fn choose(filter: &EventFilter, verified: &Verified, headers: &HeaderMap) -> Choice {
    let named = |event_type: &Cow<'_, str>| !event_type.trim().is_empty();
    let signed = verified.event_type().filter(named);
    match signed.or_else(|| ce_type(headers).filter(named)) {
        None => Choice::Untyped,
        Some(event_type) if filter.admits(Some(&event_type)) => Choice::Wanted,
        Some(_) => Choice::Unwanted,
    }
}

/// The value of the header, if there is exactly one: without surrounding quotes, and percent-decoded once (CloudEvents
/// HTTP binding, section 3.1.3.2).
fn ce_type(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut values = headers.get_all(CE_TYPE).iter();
    let value = values.next()?.to_str().ok()?.trim();
    if values.next().is_some() {
        return None;
    }
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    percent_decode_str(value).decode_utf8().ok()
}
