//! The bodies of senders other than Gemini.

use countersign_senders::Sender;
use serde_json::Value;

use crate::event::Event;
use crate::ids;
use crate::time;

/// The name of the sender whose events have a form of their own here.
pub(crate) const GEMINI: &str = "gemini";
/// The length of an id in an event.
const ID: usize = 24;

/// Whether events have the form of another sender than Gemini.
pub(crate) fn is_foreign(sender: &Sender) -> bool {
    sender.name != GEMINI
}

/// The body of an event's deliveries. Data that was given replaces the sender's typical data.
pub(crate) fn body(sender: &Sender, event: &Event, rng: &mut fastrand::Rng) -> Vec<u8> {
    if !is_foreign(sender) {
        return event.to_body();
    }
    let (id, at) = (ids::resource(rng, ID), event.happened);
    let quoted = Value::from(event.event_type.as_str()).to_string();
    let event_type = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
    let filled = sender.example.filled(event_type, &id, at, &time::to_the_millisecond(at));
    if event.data.is_empty() {
        return filled.into_bytes();
    }
    match serde_json::from_str(&filled) {
        Ok(Value::Object(mut body)) if body.contains_key("data") => {
            body.insert("data".into(), event.data.clone().into());
            Value::Object(body).to_string().into_bytes()
        }
        // The sender has no envelope: the data is the body.
        _ => Value::Object(event.data.clone()).to_string().into_bytes(),
    }
}
