//! Requests as JSON.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::recent::{Message, Numbered};

/// A request as it is listed.
pub(super) fn request(one: &Numbered) -> Value {
    let seen = &one.seen;
    let unrouted = seen.unrouted.as_ref();
    json!({
        "number": one.number,
        "at_ms": seen.at.as_millis(),
        "route": *seen.route,
        "outcome": seen.outcome,
        "reason": seen.reason,
        "explanation": seen.explanation,
        "status": seen.status.map(|status| status.as_u16()),
        "latency_us": micros(seen.latency),
        "verification_us": seen.verification_time.map(micros),
        "fits_expired_secret": seen.fits_expired_secret,
        "client": seen.peer.as_ref().map(ToString::to_string),
        "method": unrouted.map(|unrouted| &*unrouted.method),
        "host": unrouted.and_then(|unrouted| unrouted.host.as_deref()),
        "path": unrouted.map(|unrouted| &*unrouted.path),
        "hint": unrouted.and_then(|unrouted| unrouted.hint.as_deref()),
        "message": seen.message.as_ref().map(message),
        "explainable": seen.unverified.is_some(),
    })
}

/// The same, with the body if it is kept.
pub(super) fn whole(one: &Numbered) -> Value {
    let mut value = request(one);
    if let Some(body) = one.seen.message.as_ref().and_then(|message| message.body.as_ref()) {
        match str::from_utf8(body) {
            Ok(text) => value["body"] = text.into(),
            Err(_) => value["body_base64"] = STANDARD.encode(body).into(),
        }
    }
    value
}

fn message(message: &Message) -> Value {
    json!({
        "source": message.source,
        "id": message.id,
        "scheme": message.scheme,
        "key": message.key,
        "signed_ms": message.signed.as_millis(),
        "event_type": message.event_type,
        "body_length": message.body_length,
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
