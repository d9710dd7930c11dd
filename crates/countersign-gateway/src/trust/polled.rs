//! The headers of an event that was polled: nobody has signed it.

use countersign::UnixTime;
use countersign::header::{WEBHOOK_ID, WEBHOOK_TIMESTAMP};
use countersign_inbox::Headers;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

use super::names::{EVENT_TYPE, MESSAGE_ID, SOURCE, TIMESTAMP, VERDICT};

const POLLED: &[u8] = b"polled";

/// The headers of an event that the gateway has asked for, in place of a webhook that was not delivered. There is no
/// signature, scheme or key.
pub fn polled_headers(source: &str, message_id: &str, event_type: &'static str, now: UnixTime) -> Headers {
    let text = |text: &str| HeaderValue::from_str(text).ok();
    let (id, at) = (text(message_id), Some(HeaderValue::from(now.as_secs())));
    let headers: [(HeaderName, _); 8] = [
        (CONTENT_TYPE, Some(HeaderValue::from_static("application/json"))),
        (VERDICT, HeaderValue::from_bytes(POLLED).ok()),
        (SOURCE, text(source)),
        (EVENT_TYPE, Some(HeaderValue::from_static(event_type))),
        (WEBHOOK_ID, id.clone()),
        (MESSAGE_ID, id),
        (WEBHOOK_TIMESTAMP, at.clone()),
        (TIMESTAMP, at),
    ];
    headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Whether these stored headers are those of an event that was polled.
pub fn is_polled(headers: &Headers) -> bool {
    headers.get(VERDICT) == Some(POLLED)
}
