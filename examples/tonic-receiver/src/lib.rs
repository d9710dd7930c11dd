//! Code shared by the receiver and its client: the service `example.Jobs`, and the secret.

mod signing;

pub use generated::{jobs_client, jobs_server};
pub use signing::Signing;

use countersign::Secret;

/// Reads the secret from `GEMINI_WEBHOOK_SECRET`. The error says how to set it.
pub fn secret() -> Result<Secret, String> {
    let text = std::env::var("GEMINI_WEBHOOK_SECRET").map_err(|_| {
        "GEMINI_WEBHOOK_SECRET is not set: export the secret that was shown when the webhook was created \
         (`countersign emulate` prints one)"
    })?;
    Secret::parse(&text).map_err(|error| format!("GEMINI_WEBHOOK_SECRET is not a valid secret: {error}"))
}

/// Reports that a job has ended.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JobEnded {
    /// The name of the job.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Confirms that a report was received.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Receipt {
    /// The message id. Empty if the call was a duplicate, because its response is an empty message.
    #[prost(string, tag = "1")]
    pub message_id: String,
}

#[allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "generated code")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/example.Jobs.rs"));
}
