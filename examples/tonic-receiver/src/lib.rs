//! What the receiver and its client have in common: the service `example.Jobs`, and the secret.

mod signing;

pub use generated::{jobs_client, jobs_server};
pub use signing::Signing;

use countersign::Secret;

/// The secret, from `GEMINI_WEBHOOK_SECRET`, or what is to be done about it.
pub fn secret() -> Result<Secret, String> {
    let text = std::env::var("GEMINI_WEBHOOK_SECRET").map_err(|_| {
        "GEMINI_WEBHOOK_SECRET is not set: export the secret that was shown when the webhook was made \
         (`countersign emulate` prints one)"
    })?;
    Secret::parse(&text).map_err(|error| format!("GEMINI_WEBHOOK_SECRET is no secret: {error}"))
}

/// A job has ended.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JobEnded {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// It was written down.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Receipt {
    /// The id of the message. Empty, as all of the message is, where the call was a repetition.
    #[prost(string, tag = "1")]
    pub message_id: String,
}

#[allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "it is generated, by tools that change")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/example.Jobs.rs"));
}
