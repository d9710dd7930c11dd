//! `traceparent` and `tracestate` (W3C Trace Context, level 1).

use http::HeaderName;

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00. Later versions may be longer.
const LEN: usize = 55;
const SAMPLED: u8 = 1;

pub(super) type TraceId = [u8; 16];
pub(super) type SpanId = [u8; 8];

/// The span of a client that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) is_sampled: bool,
}

impl Parent {
    /// The one that these values of `traceparent` name. `None` without a value, with several, or with an invalid one.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value),
            _ => None,
        }
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (fields, rest) = value.split_at_checked(LEN)?;
        let mut fields = fields.split(|byte| *byte == b'-');
        let mut next = || fields.next();
        let ([version], trace, span, [flags]) = (hex(next()?)?, hex(next()?)?, hex(next()?)?, hex(next()?)?);
        let is_complete = next().is_none() && (rest.is_empty() || version > 0 && rest.starts_with(b"-"));
        let is_valid = is_complete && version != u8::MAX && trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Self { trace, span, is_sampled: flags & SAMPLED != 0 })
    }
}

/// The bytes of a text of lower-case hexadecimal digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// The `traceparent` of a request that belongs to this span, which is sampled.
pub(super) fn traceparent(trace: TraceId, span: SpanId) -> String {
    format!("00-{:032x}-{:016x}-{SAMPLED:02x}", u128::from_be_bytes(trace), u64::from_be_bytes(span))
}

pub(super) fn new_trace_id() -> TraceId {
    fastrand::u128(1..).to_be_bytes()
}

pub(super) fn new_span_id() -> SpanId {
    fastrand::u64(1..).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_valid_header_names_the_parent() {
        for (text, is_sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-00"), false),
            (format!("00-{TRACE}-{SPAN}-03"), true),
            (format!("00-{TRACE}-{SPAN}-02"), false),
            (format!("cc-{TRACE}-{SPAN}-01"), true),
            (format!("cc-{TRACE}-{SPAN}-01-what-comes"), true),
        ] {
            let parent = Parent::parse(text.as_bytes()).unwrap();
            assert_eq!(parent.is_sampled, is_sampled, "{text}");
            assert_eq!(traceparent(parent.trace, parent.span), format!("00-{TRACE}-{SPAN}-01"));
        }
    }

    #[test]
    fn any_other_header_is_ignored() {
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{SPAN}-{TRACE}-01"),
            format!("0x-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(Parent::parse(text.as_bytes()), None, "{text}");
        }
        let value = format!("00-{TRACE}-{SPAN}-01");
        for (count, is_some) in [(0, false), (1, true), (2, false)] {
            assert_eq!(Parent::of(vec![value.as_bytes(); count]).is_some(), is_some, "{count}");
        }
    }
}
