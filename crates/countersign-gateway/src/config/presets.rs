//! The values that a source gets from its `preset`. `countersign-senders` lists the senders.

use std::time::Duration;

use countersign::header::HeaderNames;
use countersign::verifier::DEFAULT_TOLERANCE;
use countersign_senders::{SecretForm, Sender};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::secrets::EncodingSpec;
use super::sender::{DuplicatesSpec, HeadersSpec};
use super::values::text;

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

impl PresetSpec {
    const ALL: [Self; 10] = [
        Self::Standard,
        Self::Gemini,
        Self::OpenAi,
        Self::Anthropic,
        Self::Svix,
        Self::Clerk,
        Self::Resend,
        Self::Supabase,
        Self::Replicate,
        Self::Polar,
    ];

    /// How it is written.
    const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Svix => "svix",
            Self::Clerk => "clerk",
            Self::Resend => "resend",
            Self::Supabase => "supabase",
            Self::Replicate => "replicate",
            Self::Polar => "polar",
        }
    }
}

/// The values of a preset. A key that is written in the source takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preset {
    pub(super) headers: HeadersSpec,
    pub(super) encoding: EncodingSpec,
    pub(super) tolerance: Duration,
    pub(super) retain: Duration,
    pub(super) duplicates: DuplicatesSpec,
}

impl From<&Sender> for Preset {
    fn from(sender: &Sender) -> Self {
        Self {
            headers: match sender.headers {
                HeaderNames::Svix => HeadersSpec::Svix,
                HeaderNames::Either => HeadersSpec::Either,
                _ => HeadersSpec::Webhook,
            },
            encoding: match sender.secrets {
                SecretForm::Raw => EncodingSpec::Raw,
                SecretForm::Prefix => EncodingSpec::Prefix,
                SecretForm::Versioned => EncodingSpec::Versioned,
                _ => EncodingSpec::Base64,
            },
            tolerance: DEFAULT_TOLERANCE,
            retain: sender.retain,
            duplicates: if sender.reads_response { DuplicatesSpec::Forward } else { DuplicatesSpec::Acknowledge },
        }
    }
}

impl<'de> Deserialize<'de> for PresetSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "the name of a sender, like \"openai\"", |text| {
            Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|preset| format!("\"{}\"", preset.name())).collect();
                format!("there is no such preset; write one of {}, or leave it out", names.join(", "))
            })
        })
    }
}

/// The values of this preset, or of a source without one.
pub(super) fn values_of(spec: Option<PresetSpec>) -> Preset {
    #[expect(clippy::expect_used, reason = "a test finds the sender of every preset")]
    let sender = countersign_senders::named(spec.unwrap_or(PresetSpec::Standard).name()).expect("a known sender");
    sender.into()
}

#[cfg(test)]
mod tests {
    use countersign_senders::SENDERS;

    use super::*;

    #[test]
    fn every_preset_is_a_sender_and_every_sender_is_a_preset() {
        let names: Vec<_> = SENDERS.iter().map(|sender| sender.name).collect();
        assert_eq!(PresetSpec::ALL.map(PresetSpec::name)[..], names);
        for (preset, sender) in PresetSpec::ALL.into_iter().zip(&SENDERS) {
            let values = values_of(Some(preset));
            assert_eq!((values.headers.names(), values.encoding.form()), (sender.headers, sender.secrets));
        }
        assert_eq!(values_of(None), values_of(Some(PresetSpec::Standard)));
    }
}
