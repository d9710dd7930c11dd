//! What is known of senders: the values that a source gets from its `preset`.
//!
//! The list is data. Each entry names the sender's own documentation, as read on [`AS_OF`].

use std::time::Duration;

use countersign::replay::MemoryStore;
use countersign::verifier::DEFAULT_TOLERANCE;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::secrets::EncodingSpec;
use super::sender::{DuplicatesSpec, HeadersSpec};
use super::values::text;

/// When the documentation was read.
#[cfg_attr(not(test), expect(dead_code, reason = "it is for readers of the list, and a test reads it"))]
pub(super) const AS_OF: &str = "2026-11-25";

/// A known sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Preset")]
pub enum PresetSpec {
    /// Any sender that follows Standard Webhooks: the defaults.
    Standard,
    /// The Gemini API. It retries for 24 h.
    Gemini,
    /// `OpenAI`. It retries for 72 h. A secret without `whsec_` is the key itself.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Svix and senders that use it: `svix-*` or `webhook-*` headers, retries for 28 h.
    Svix,
    /// Clerk: `svix-*` headers, retries for 28 h.
    Clerk,
    /// Resend: `svix-*` headers, retries for 28 h.
    Resend,
    /// Auth hooks of Supabase: secrets like `v1,whsec_…`. The backend's response counts, so duplicates are forwarded.
    Supabase,
    /// Replicate.
    Replicate,
    /// Polar. A secret without `whsec_` is the key itself, like the older `polar_whs_…`.
    Polar,
}

/// The values of a preset. A key that is written in the source takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preset {
    pub(super) spec: PresetSpec,
    /// How it is written.
    pub(super) name: &'static str,
    /// The page of the sender that says so.
    pub(super) documentation: &'static str,
    pub(super) headers: HeadersSpec,
    pub(super) encoding: EncodingSpec,
    pub(super) tolerance: Duration,
    /// Longer than the sender retries. The default where the sender does not say how long.
    pub(super) retain: Duration,
    pub(super) duplicates: DuplicatesSpec,
}

const STANDARD: Preset = Preset {
    spec: PresetSpec::Standard,
    name: "standard",
    documentation: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    headers: HeadersSpec::Webhook,
    encoding: EncodingSpec::Base64,
    tolerance: DEFAULT_TOLERANCE,
    retain: MemoryStore::DEFAULT_RETAIN,
    duplicates: DuplicatesSpec::Acknowledge,
};

/// The schedule of Svix ends after 27 h 35 min.
const SVIX: Preset = Preset {
    spec: PresetSpec::Svix,
    name: "svix",
    documentation: "https://docs.svix.com/retries",
    headers: HeadersSpec::Either,
    retain: Duration::from_hours(30),
    ..STANDARD
};

/// All of them.
pub(super) static PRESETS: [Preset; 10] = [
    STANDARD,
    Preset {
        spec: PresetSpec::Gemini,
        name: "gemini",
        documentation: "https://ai.google.dev/gemini-api/docs/webhooks",
        retain: Duration::from_hours(25),
        ..STANDARD
    },
    Preset {
        spec: PresetSpec::OpenAi,
        name: "openai",
        documentation: "https://platform.openai.com/docs/guides/webhooks",
        encoding: EncodingSpec::Prefix,
        retain: Duration::from_hours(73),
        ..STANDARD
    },
    Preset {
        spec: PresetSpec::Anthropic,
        name: "anthropic",
        documentation: "https://platform.claude.com/docs/en/api/beta/webhooks/unwrap",
        ..STANDARD
    },
    SVIX,
    Preset {
        spec: PresetSpec::Clerk,
        name: "clerk",
        documentation: "https://clerk.com/docs/guides/development/webhooks/overview",
        headers: HeadersSpec::Svix,
        ..SVIX
    },
    Preset {
        spec: PresetSpec::Resend,
        name: "resend",
        documentation: "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
        headers: HeadersSpec::Svix,
        ..SVIX
    },
    Preset {
        spec: PresetSpec::Supabase,
        name: "supabase",
        documentation: "https://supabase.com/docs/guides/auth/auth-hooks",
        encoding: EncodingSpec::Versioned,
        duplicates: DuplicatesSpec::Forward,
        ..STANDARD
    },
    Preset {
        spec: PresetSpec::Replicate,
        name: "replicate",
        documentation: "https://replicate.com/docs/topics/webhooks/verify-webhook",
        ..STANDARD
    },
    Preset {
        spec: PresetSpec::Polar,
        name: "polar",
        documentation: "https://polar.sh/docs/integrate/webhooks/delivery",
        encoding: EncodingSpec::Prefix,
        ..STANDARD
    },
];

impl<'de> Deserialize<'de> for PresetSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "the name of a sender, like \"openai\"", |text| {
            PRESETS.iter().find(|preset| preset.name == text).map(|preset| preset.spec).ok_or_else(|| {
                let names: Vec<_> = PRESETS.iter().map(|preset| format!("\"{}\"", preset.name)).collect();
                format!("there is no such preset; write one of {}, or leave it out", names.join(", "))
            })
        })
    }
}

/// The values of this preset, or of a source without one.
pub(super) fn values_of(spec: Option<PresetSpec>) -> Preset {
    PRESETS.iter().find(|preset| Some(preset.spec) == spec).copied().unwrap_or(STANDARD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_is_documented_and_found_by_its_name() {
        assert!(AS_OF.starts_with("2026-"));
        for preset in &PRESETS {
            assert!(preset.documentation.starts_with("https://"), "{preset:?}");
            let named = PRESETS.iter().filter(|other| other.name == preset.name || other.spec == preset.spec);
            assert_eq!(named.count(), 1, "{preset:?}");
            assert_eq!(values_of(Some(preset.spec)), *preset);
            assert!(preset.retain >= MemoryStore::DEFAULT_RETAIN && preset.tolerance == Duration::from_mins(5));
        }
        assert_eq!(values_of(None), STANDARD);
    }
}
