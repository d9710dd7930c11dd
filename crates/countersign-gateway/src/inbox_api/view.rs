//! Deliveries and messages as JSON.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::UnixTime;
use countersign_inbox::{Backlog, Delivery, Headers, State, StoredMessage};
use serde_json::{Value, json};

use crate::inbox::Overview;

/// The end of the year 9999 in milliseconds, the last time that RFC 3339 can write.
const LAST: u64 = 253_402_300_799_999;
/// The headers whose values would let a reader act as the sender.
const HIDDEN: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "svix-signature", "webhook-signature"];

/// A delivery as it is listed.
pub(super) fn delivery(delivery: &Delivery) -> Value {
    json!({
        "number": delivery.id.number(),
        "state": state(delivery.state),
        "source": delivery.key.source(),
        "message_id": delivery.key.message_id().as_str(),
        "event_type": delivery.event_type,
        "destination": delivery.destination,
        "attempts": delivery.attempts,
        "since": time(delivery.since),
        "due": time(delivery.due),
        "last_error": delivery.last_error,
    })
}

/// A delivery with its message.
pub(super) fn whole(delivery: &Delivery, message: &StoredMessage, with_body: bool) -> Value {
    let mut value = self::delivery(delivery);
    let mut set = |name: &str, member: Value| {
        if let Some(object) = value.as_object_mut() {
            object.insert(name.to_owned(), member);
        }
    };
    set("received", time(message.received).into());
    set("path", message.path.as_str().into());
    set("headers", headers(&message.headers));
    set("body_length", message.body.len().into());
    if with_body {
        match str::from_utf8(&message.body) {
            Ok(text) => set("body", text.into()),
            Err(_) => set("body_base64", STANDARD.encode(&message.body).into()),
        }
    }
    value
}

/// A destination as it is listed.
pub(super) fn destination(found: &Overview) -> Value {
    let Backlog { destination, waiting, leased, dead, oldest } = &found.backlog;
    json!({
        "name": destination,
        "configured": found.is_configured,
        "paused": found.is_paused,
        "failing": found.is_failing,
        "waiting": waiting,
        "leased": leased,
        "dead": dead,
        "oldest": oldest.map(time),
    })
}

/// Pairs of name and value, since names can repeat.
fn headers(headers: &Headers) -> Value {
    let pair = |(name, value): (&str, &[u8])| {
        let value = String::from_utf8_lossy(value);
        let value = if HIDDEN.contains(&name) { "(hidden)" } else { &*value };
        json!([name, value])
    };
    headers.iter().map(pair).collect()
}

fn state(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Leased => "leased",
        State::Done => "done",
        State::Dead => "dead",
    }
}

/// As RFC 3339.
pub(crate) fn time(time: UnixTime) -> String {
    let since = Duration::from_millis(time.as_millis().min(LAST));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use countersign::replay::ReplayKey;
    use countersign_inbox::DeliveryId;

    use super::*;

    #[test]
    fn bodies_are_text_or_base64_or_absent_and_signatures_are_hidden() {
        let key = ReplayKey::parse("test", "msg_1").expect("a valid key");
        let listed = Delivery {
            id: DeliveryId::new(7),
            key: key.clone(),
            event_type: None,
            destination: "/hook".to_owned(),
            state: State::Dead,
            attempts: 3,
            since: UnixTime::from_secs(1),
            due: UnixTime::from_millis(u64::MAX),
            last_error: Some("status 500".to_owned()),
        };
        let mut message = StoredMessage {
            key,
            event_type: None,
            path: "/hook".to_owned(),
            headers: Headers::parse("webhook-signature: v1,c2VjcmV0\r\nx-tag: one\r\n").expect("valid headers"),
            body: Bytes::from_static(b"{}"),
            received: UnixTime::from_secs(1),
        };
        let shown = whole(&listed, &message, true);
        assert_eq!(shown["headers"], json!([["webhook-signature", "(hidden)"], ["x-tag", "one"]]));
        assert_eq!((&shown["body"], &shown["since"]), (&json!("{}"), &json!("1970-01-01T00:00:01.000Z")));
        assert_eq!(shown["due"], json!("9999-12-31T23:59:59.999Z"));
        let shown = whole(&listed, &message, false);
        assert_eq!((shown.get("body"), &shown["body_length"]), (None, &json!(2)));
        message.body = Bytes::from_static(b"\xff");
        assert_eq!(whole(&listed, &message, true)["body_base64"], json!("/w=="));
    }
}
