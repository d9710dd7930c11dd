//! The recipients of an event.

use http::Uri;

use crate::project::ProjectId;

/// The webhooks or addresses that an event is delivered to.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// The webhooks of a project that are subscribed to the event's type.
    Subscribers(ProjectId),
    /// One registered webhook, whatever it is subscribed to.
    Webhook(ProjectId, String),
    /// These addresses, as dynamic webhooks.
    Uris(ProjectId, Vec<Uri>),
}
