//! How a sender behaves: the names of its headers, and what it expects for a duplicate.

use countersign::header::HeaderNames;
use countersign_tower::policy::OnDuplicate;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::values::text;

/// What is done with a message that was handled before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Duplicates")]
pub enum DuplicatesSpec {
    /// The sender gets 200, and the backend does not see it.
    #[default]
    Acknowledge,
    /// It is forwarded with `countersign-duplicate: true`, and the backend's response is returned. Anyone who has captured
    /// a request can have it forwarded again within the tolerance.
    Forward,
}

impl<'de> Deserialize<'de> for DuplicatesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"acknowledge\" or \"forward\"", |text| match text {
            "acknowledge" => Ok(Self::Acknowledge),
            "forward" => Ok(Self::Forward),
            _ => Err("write \"acknowledge\" or \"forward\""),
        })
    }
}

impl From<DuplicatesSpec> for OnDuplicate {
    fn from(spec: DuplicatesSpec) -> Self {
        match spec {
            DuplicatesSpec::Acknowledge => Self::Acknowledge,
            DuplicatesSpec::Forward => Self::HandOver,
        }
    }
}

/// How a sender names the three headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeadersSpec {
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    #[default]
    Webhook,
    /// `svix-id`, `svix-timestamp` and `svix-signature`.
    Svix,
    /// Either of these sets. A request with headers of both is rejected.
    Either,
}

impl HeadersSpec {
    /// The names, for a verifier.
    pub fn names(self) -> HeaderNames {
        match self {
            Self::Webhook => HeaderNames::Webhook,
            Self::Svix => HeaderNames::Svix,
            Self::Either => HeaderNames::Either,
        }
    }
}
