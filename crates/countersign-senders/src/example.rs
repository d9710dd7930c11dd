//! Typical events.

use countersign::UnixTime;

/// A typical event of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Example {
    /// Its type, or how the sender calls such a request.
    pub event_type: &'static str,
    /// Its body: JSON with `$TYPE`, `$ID`, `$TIME` (RFC 3339), `$SECONDS` and `$MILLIS` (Unix time).
    pub body: &'static str,
}

impl Example {
    pub(crate) const fn new(event_type: &'static str, body: &'static str) -> Self {
        Self { event_type, body }
    }

    /// The body of an event of this type. The type and the id are JSON strings without their quotes; `time` is `at` in
    /// the form of RFC 3339.
    ///
    /// ```
    /// use countersign::UnixTime;
    /// use countersign_senders::named;
    ///
    /// let example = named("resend").unwrap().example;
    /// let body = example.filled("email.sent", "7", UnixTime::from_secs(0), "1970-01-01T00:00:00Z");
    /// assert!(body.starts_with(r#"{"type":"email.sent","created_at":"1970-01-01T00:00:00Z""#));
    /// ```
    pub fn filled(&self, event_type: &str, id: &str, at: UnixTime, time: &str) -> String {
        let (seconds, millis) = (at.as_secs().to_string(), at.as_millis().to_string());
        let mut filled = String::with_capacity(self.body.len() + event_type.len() + time.len() + id.len());
        let mut rest = self.body;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            let values = [("TYPE", event_type), ("ID", id), ("TIME", time), ("SECONDS", &seconds), ("MILLIS", &millis)];
            let found = values.iter().find_map(|(name, value)| Some((after.strip_prefix(name)?, *value)));
            let (after, value) = found.unwrap_or((after, "$"));
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SENDERS;

    #[test]
    fn each_place_is_filled() {
        for sender in &SENDERS {
            let body = sender.example.filled("a.b", "7", UnixTime::from_millis(1234), "now");
            assert!(!body.contains('$') && body.starts_with('{') && body.ends_with('}'), "{body}");
            assert_ne!(body, sender.example.body, "each event differs");
        }
        let example = Example::new("t", r#"{"$":"$TYPE$ID","at":$SECONDS,"ms":$MILLIS,"t":"$TIME"}"#);
        let body = example.filled("$ID", "7", UnixTime::from_millis(1234), "now");
        assert_eq!(body, r#"{"$":"$ID7","at":1,"ms":1234,"t":"now"}"#);
    }
}
