//! What a backend is told, and what it must not be told by anybody else.

use countersign::Verified;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

const PREFIX: &str = "countersign-";
/// A longer type of event is left out: most servers refuse long headers.
const MAX_TEXT: usize = 256;
const VERDICT: HeaderName = HeaderName::from_static("countersign-verdict");
const SOURCE: HeaderName = HeaderName::from_static("countersign-source");
const SCHEME: HeaderName = HeaderName::from_static("countersign-scheme");
const KEY: HeaderName = HeaderName::from_static("countersign-key");
const MESSAGE_ID: HeaderName = HeaderName::from_static("countersign-message-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("countersign-timestamp");
const EVENT_TYPE: HeaderName = HeaderName::from_static("countersign-event-type");

const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Removes every header that could be taken for one of ours. A server that reads `_` as `-` is not
/// told twice, nor about what was signed and by whom it was forwarded.
pub fn remove_forged(headers: &mut HeaderMap) {
    remove_if(headers, |name| {
        let begins_with = |prefix: &str| {
            let mut bytes = name.as_str().bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
            prefix.bytes().all(|expected| bytes.next() == Some(expected))
        };
        begins_with(PREFIX) || ((begins_with("webhook-") || begins_with("x-forwarded-")) && name.as_str().contains('_'))
    });
}

/// Removes what concerns one connection only: the known names, and those that `Connection` lists.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let listed = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let names: Vec<_> =
            listed.flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
        remove_if(headers, |name| names.iter().any(|listed| listed == name.as_str()));
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes what belongs to the request as it arrived, and not to the one that is forwarded.
pub fn remove_framing(headers: &mut HeaderMap) {
    for name in [HOST, CONTENT_LENGTH, EXPECT] {
        headers.remove(name);
    }
}

/// Says what was verified.
pub fn insert_verdict(headers: &mut HeaderMap, verified: &Verified) {
    headers.insert(VERDICT, HeaderValue::from_static("verified"));
    headers.insert(SCHEME, HeaderValue::from_static(verified.scheme().as_str()));
    headers.insert(MESSAGE_ID, verified.message_id().to_header_value());
    headers.insert(TIMESTAMP, HeaderValue::from(verified.timestamp()));
    insert_text(headers, SOURCE, verified.source());
    insert_text(headers, KEY, verified.key());
    if let Some(event_type) = verified.event_type() {
        insert_text(headers, EVENT_TYPE, &event_type);
    }
}

/// Inserts a text if it is visible ASCII and not too long, as the names of sources and keys are.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if (1..=MAX_TEXT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && let Ok(value) = HeaderValue::from_str(text)
    {
        headers.insert(name, value);
    }
}

fn remove_if(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    // Names are collected only if there are any: a genuine sender sends none.
    if headers.keys().any(&unwanted) {
        let names: Vec<_> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_forged_verdict_is_removed_however_it_is_spelled() {
        let mut forged = headers(&[
            ("countersign-verdict", "verified"),
            ("Countersign_Verdict", "verified"),
            ("COUNTERSIGN-anything_at_all", "x"),
            ("countersign-", "x"),
            ("webhook_id", "x"),
            ("X-Forwarded_For", "x"),
            ("countersigned", "stays"),
            ("webhook-id", "stays"),
            ("x_other", "stays"),
            ("x-countersign-verdict", "stays"),
        ]);
        remove_forged(&mut forged);
        let mut left: Vec<_> = forged.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["countersigned", "webhook-id", "x-countersign-verdict", "x_other"]);
    }

    #[test]
    fn what_concerns_one_connection_goes_no_further() {
        let mut hop =
            headers(&[("connection", "close, X-Mine"), ("x-mine", "1"), ("te", "trailers"), ("x-other", "1")]);
        remove_hop_by_hop(&mut hop);
        assert_eq!(hop.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
    }
}
