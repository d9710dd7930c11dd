//! What is known of senders: the header names, the form of the secrets, and how long deliveries are retried.
//!
//! The list is data. Each entry names the sender's own documentation, as read on [`AS_OF`]. The gateway's `preset` and
//! the command line's `--preset` select an entry.
//!
//! ```
//! use countersign_senders::{Key, named};
//!
//! let supabase = named("supabase").unwrap();
//! assert_eq!(supabase.secrets.read("v1,whsec_AAAA"), Key::Encoded("whsec_AAAA"));
//! ```

#![deny(missing_docs)]

mod secret_form;

use std::time::Duration;

use countersign::header::HeaderNames;
use countersign::replay::MemoryStore;

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
}

const STANDARD: Sender = Sender {
    name: "standard",
    documentation: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    headers: HeaderNames::Webhook,
    secrets: SecretForm::Base64,
    retain: MemoryStore::DEFAULT_RETAIN,
    reads_response: false,
};

/// The schedule of Svix ends after 27 h 35 min.
const SVIX: Sender = Sender {
    name: "svix",
    documentation: "https://docs.svix.com/retries",
    headers: HeaderNames::Either,
    retain: Duration::from_secs(30 * 3600),
    ..STANDARD
};

/// All of them.
pub static SENDERS: [Sender; 10] = [
    STANDARD,
    Sender {
        name: "gemini",
        documentation: "https://ai.google.dev/gemini-api/docs/webhooks",
        retain: Duration::from_secs(25 * 3600),
        ..STANDARD
    },
    Sender {
        name: "openai",
        documentation: "https://platform.openai.com/docs/guides/webhooks",
        secrets: SecretForm::Prefix,
        retain: Duration::from_secs(73 * 3600),
        ..STANDARD
    },
    Sender {
        name: "anthropic",
        documentation: "https://platform.claude.com/docs/en/api/beta/webhooks/unwrap",
        ..STANDARD
    },
    SVIX,
    Sender {
        name: "clerk",
        documentation: "https://clerk.com/docs/guides/development/webhooks/overview",
        headers: HeaderNames::Svix,
        ..SVIX
    },
    Sender {
        name: "resend",
        documentation: "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
        headers: HeaderNames::Svix,
        ..SVIX
    },
    Sender {
        name: "supabase",
        documentation: "https://supabase.com/docs/guides/auth/auth-hooks",
        secrets: SecretForm::Versioned,
        reads_response: true,
        ..STANDARD
    },
    Sender {
        name: "replicate",
        documentation: "https://replicate.com/docs/topics/webhooks/verify-webhook",
        ..STANDARD
    },
    Sender {
        name: "polar",
        documentation: "https://polar.sh/docs/integrate/webhooks/delivery",
        secrets: SecretForm::Prefix,
        ..STANDARD
    },
];

/// The sender of this name.
pub fn named(name: &str) -> Option<&'static Sender> {
    SENDERS.iter().find(|sender| sender.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_is_documented_and_found_by_its_name() {
        assert!(AS_OF.starts_with("2026-"));
        for sender in &SENDERS {
            assert!(sender.documentation.starts_with("https://"), "{sender:?}");
            assert_eq!(SENDERS.iter().filter(|other| other.name == sender.name).count(), 1, "{sender:?}");
            assert_eq!(named(sender.name), Some(sender));
            assert!(sender.retain >= MemoryStore::DEFAULT_RETAIN, "{sender:?}");
        }
        assert_eq!(named("nobody"), None);
    }
}
