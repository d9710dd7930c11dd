//! The names of the three webhook headers, in lower case (Standard Webhooks 1.0.0), and those that Svix uses.

use http::{HeaderMap, HeaderName};

/// The message id. It is the same on every attempt. [`MessageId`](crate::MessageId) describes the valid values.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was signed: the seconds since the Unix epoch, as decimal digits only.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signatures: a space-delimited list of `version,base64` entries, at most 32 entries and 16 KiB, or one token of
/// at most 64 KiB.
pub const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The message id, as Svix names it.
pub const SVIX_ID: HeaderName = HeaderName::from_static("svix-id");
/// The timestamp, as Svix names it.
pub const SVIX_TIMESTAMP: HeaderName = HeaderName::from_static("svix-timestamp");
/// The signatures, as Svix names them.
pub const SVIX_SIGNATURE: HeaderName = HeaderName::from_static("svix-signature");

/// How a source names the three headers.
///
/// ```
/// use countersign::header::HeaderNames;
/// use countersign::{Secret, Verifier};
///
/// let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let verifier = Verifier::builder("clerk").secret(secret).header_names(HeaderNames::Svix).build()?;
/// # drop(verifier);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderNames {
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature`, as Standard Webhooks does.
    #[default]
    Webhook,
    /// `svix-id`, `svix-timestamp` and `svix-signature`, as Svix does, and senders that use it: Clerk, Resend.
    Svix,
    /// Either of these sets. A request with headers of both is rejected as
    /// [`DuplicateHeader`](crate::Reason::DuplicateHeader).
    Either,
}

/// The names of the id, the timestamp and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSet {
    /// The name of the id.
    pub id: HeaderName,
    /// The name of the timestamp.
    pub timestamp: HeaderName,
    /// The name of the signature.
    pub signature: HeaderName,
}

/// The names of Standard Webhooks.
pub static WEBHOOK_HEADERS: HeaderSet =
    HeaderSet { id: WEBHOOK_ID, timestamp: WEBHOOK_TIMESTAMP, signature: WEBHOOK_SIGNATURE };
/// The names of Svix.
pub static SVIX_HEADERS: HeaderSet = HeaderSet { id: SVIX_ID, timestamp: SVIX_TIMESTAMP, signature: SVIX_SIGNATURE };

impl HeaderSet {
    /// The three names, in the order in which they are checked.
    pub fn names(&self) -> [&HeaderName; 3] {
        [&self.id, &self.timestamp, &self.signature]
    }

    pub(crate) fn first_in(&self, headers: &HeaderMap) -> Option<&HeaderName> {
        self.names().into_iter().find(|name| headers.contains_key(*name))
    }
}
