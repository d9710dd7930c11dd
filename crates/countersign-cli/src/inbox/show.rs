//! Deliveries as text.

use std::fmt;

use serde::Deserialize;

use crate::output::{columns, shown};

/// Deliveries, and where the next page begins.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    deliveries: Vec<Delivery>,
    next: Option<u64>,
}

/// A delivery as it is listed.
#[derive(Debug, Deserialize)]
struct Delivery {
    number: u64,
    state: String,
    source: String,
    message_id: String,
    event_type: Option<String>,
    destination: String,
    attempts: u32,
    since: String,
    due: String,
    last_error: Option<String>,
}

/// A delivery with its message.
#[derive(Debug, Deserialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    delivery: Delivery,
    received: String,
    path: String,
    headers: Vec<(String, String)>,
    body_length: usize,
    body: Option<String>,
    body_base64: Option<String>,
}

/// A line for each delivery.
pub(crate) fn table(page: &Page) -> String {
    let head = ["NUMBER", "STATE", "ATTEMPTS", "DUE", "DESTINATION", "SOURCE", "MESSAGE", "TYPE", "LAST ERROR"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(page.deliveries.iter().map(|one| {
        let or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), shown);
        [
            one.number.to_string(),
            shown(&one.state),
            one.attempts.to_string(),
            shown(&one.due),
            shown(&one.destination),
            shown(&one.source),
            shown(&one.message_id),
            or_dash(&one.event_type),
            or_dash(&one.last_error),
        ]
    }));
    let more = page.next.map(|number| format!("there may be more: --older-than {number}\n"));
    match page.deliveries.as_slice() {
        [] => "no delivery matches\n".to_owned(),
        _ => columns(&rows) + &more.unwrap_or_default(),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delivery { number, state, source, message_id, event_type, destination, attempts, since, due, last_error } =
            &self.delivery;
        writeln!(f, "delivery {number}: {}, attempt {attempts}", shown(state))?;
        for (name, value) in [
            ("destination", Some(destination)),
            ("source", Some(source)),
            ("message id", Some(message_id)),
            ("event type", event_type.as_ref()),
            ("received", Some(&self.received)),
            ("since", Some(since)),
            ("due", Some(due)),
            ("last error", last_error.as_ref()),
            ("path", Some(&self.path)),
        ] {
            if let Some(value) = value {
                writeln!(f, "  {name:<12} {}", shown(value))?;
            }
        }
        writeln!(f, "headers:")?;
        for (name, value) in &self.headers {
            writeln!(f, "  {}: {}", shown(name), shown(value))?;
        }
        match (&self.body, &self.body_base64) {
            (Some(body), _) => {
                writeln!(f, "body ({} bytes):", self.body_length)?;
                body.lines().try_for_each(|line| writeln!(f, "  {}", shown(line)))
            }
            (None, Some(_)) => writeln!(f, "body: {} bytes that are not text; --json shows them", self.body_length),
            (None, None) => writeln!(f, "body: {} bytes, which the gateway does not show", self.body_length),
        }
    }
}
