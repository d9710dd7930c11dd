//! Destinations as text.

use std::fmt;

use serde::Deserialize;

use crate::output::{columns, shown};

/// The destinations of a gateway.
#[derive(Debug, Deserialize)]
pub(crate) struct Destinations {
    destinations: Vec<Destination>,
}

/// A destination, with its deliveries that are not done.
#[derive(Debug, Deserialize)]
struct Destination {
    name: String,
    configured: bool,
    paused: bool,
    failing: bool,
    waiting: u64,
    leased: u64,
    dead: u64,
    oldest: Option<String>,
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.destinations.is_empty() {
            return f.write_str("there are no destinations\n");
        }
        let mut rows = vec![["DESTINATION", "WAITING", "LEASED", "DEAD", "OLDEST", "NOTES"].map(str::to_owned)];
        rows.extend(self.destinations.iter().map(|one| {
            let notes = [(one.paused, "paused"), (one.failing, "failing"), (!one.configured, "not configured")];
            let notes: Vec<_> = notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).collect();
            [
                shown(&one.name),
                one.waiting.to_string(),
                one.leased.to_string(),
                one.dead.to_string(),
                one.oldest.as_deref().map_or_else(|| "-".to_owned(), shown),
                notes.join(", "),
            ]
        }));
        f.write_str(&columns(&rows))
    }
}
