//! The `type` of an event, which all senders of Standard Webhooks use.

use std::borrow::Cow;

use crate::json;
use crate::verdict::Verified;

impl Verified {
    /// The `type` of the event, without parsing the rest into an event. It is `Some` if the body is a JSON object with
    /// exactly one `type`, and that is a string.
    pub fn event_type(&self) -> Option<Cow<'_, str>> {
        event_type(self.body())
    }
}

/// Reads the whole body, because a truncated text is not an event either.
pub(crate) fn event_type(body: &[u8]) -> Option<Cow<'_, str>> {
    let (mut found, mut is_repeated) = (None, false);
    json::read_object(body, |name, reader| {
        if name != "type" {
            return reader.skip_representable();
        }
        match reader.value()? {
            json::Value::String(text) => is_repeated |= found.replace(text).is_some(),
            _ => return None,
        }
        Some(())
    })?;
    found.filter(|_| !is_repeated)
}
