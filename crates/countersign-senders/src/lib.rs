//! What is known of senders: the header names, the form of the secrets, the retries, and a typical event.
//!
//! The list is data. Each entry names the sender's own documentation, as read on [`AS_OF`]. The gateway's `preset`,
//! the command line's `--preset` and the emulator select an entry.
//!
//! ```
//! use countersign_senders::{Key, named};
//!
//! let supabase = named("supabase").unwrap();
//! assert_eq!(supabase.secrets.read("v1,whsec_AAAA"), Key::Encoded("whsec_AAAA"));
//! ```

#![deny(missing_docs)]

mod example;
mod known;
mod rename;
mod retries;
mod secret_form;

use std::time::Duration;

use countersign::header::{HeaderNames, HeaderSet, SVIX_HEADERS, WEBHOOK_HEADERS};

pub use example::Example;
pub use known::SENDERS;
pub use rename::renamed;
pub use retries::Retries;
pub use secret_form::{Key, SecretForm};

/// When the documentation was read.
pub const AS_OF: &str = "2026-11-25";

/// A known sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sender {
    /// How it is written in configurations and on the command line.
    pub name: &'static str,
    /// The page of the sender that says so.
    pub documentation: &'static str,
    /// The names of the three headers.
    pub headers: HeaderNames,
    /// How its secrets are written.
    pub secrets: SecretForm,
    /// How long a receiver should remember message ids: longer than the sender retries. The default of the stores where
    /// the sender does not say how long it retries.
    pub retain: Duration,
    /// Whether the response to a duplicate must be that of the application, because the sender reads it.
    pub reads_response: bool,
    /// When a failed delivery is attempted again.
    pub retries: Retries,
    /// A typical event.
    pub example: Example,
}

impl Sender {
    /// The names of the headers that it sends.
    pub fn sent_headers(&self) -> &'static HeaderSet {
        match self.headers {
            HeaderNames::Webhook => &WEBHOOK_HEADERS,
            // A sender that has both sends these unless its user chose the others.
            _ => &SVIX_HEADERS,
        }
    }
}

/// The sender of this name.
pub fn named(name: &str) -> Option<&'static Sender> {
    SENDERS.iter().find(|sender| sender.name == name)
}

#[cfg(test)]
mod tests {
    use countersign::replay::MemoryStore;

    use super::*;

    #[test]
    fn each_sender_is_documented_and_found_by_its_name() {
        assert!(AS_OF.starts_with("2026-"));
        for sender in &SENDERS {
            assert!(sender.documentation.starts_with("https://"), "{sender:?}");
            assert_eq!(SENDERS.iter().filter(|other| other.name == sender.name).count(), 1, "{sender:?}");
            assert_eq!(named(sender.name), Some(sender));
            assert!(sender.retain >= MemoryStore::DEFAULT_RETAIN, "{sender:?}");
            assert!(sender.retain >= sender.retries.total(), "it retries for longer than its ids are kept: {sender:?}");
        }
        assert_eq!(named("nobody"), None);
    }
}
