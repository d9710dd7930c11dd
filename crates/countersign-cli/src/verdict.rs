//! The verdict about a captured request, as text and as JSON.

use countersign::{Rejection, UnixTime, Verified, Verifier};
use countersign_explain::Capture;
use serde_json::{Value, json};

use crate::output::shown;
use crate::time;

pub(crate) fn verdict(verifier: &Verifier, capture: &Capture, now: UnixTime) -> Result<Verified, Rejection> {
    verifier.begin(&capture.headers, now)?.finish(capture.body.clone())
}

pub(crate) fn describe(verified: &Verified, now: UnixTime) -> String {
    let event = verified.event_type();
    let event = event.as_deref().map_or_else(|| "none: the body has no `type`".into(), shown);
    format!(
        "verified\n  scheme      {}\n  key         {}\n  message id  {}\n  timestamp   {}\n  event type  {event}\n",
        verified.scheme(),
        verified.key_label(),
        verified.message_id(),
        time::described(verified.timestamp().as_secs(), now),
    )
}

pub(crate) fn as_json(verdict: &Result<Verified, Rejection>) -> Value {
    match verdict {
        Ok(verified) => json!({
            "verdict": "verified",
            "scheme": verified.scheme().as_str(),
            "key": verified.key_label(),
            "message_id": verified.message_id().as_str(),
            "timestamp": verified.timestamp().as_secs(),
            "event_type": verified.event_type(),
        }),
        Err(rejection) => json!({
            "verdict": "rejected",
            "reason": rejection.reason().as_str(),
            "detail": rejection.to_string(),
        }),
    }
}
