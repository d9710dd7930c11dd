//! `--preset`: the header names and secrets of a known sender.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use countersign::header::{HeaderNames, HeaderSet, WEBHOOK_HEADERS};
use countersign_senders::{SENDERS, SecretForm, Sender, named};

/// The option for the sender.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct PresetArgs {
    /// The sender, which decides the names of the headers and the form of the secrets [default: standard]
    #[arg(long, value_name = "SENDER", value_parser = sender())]
    preset: Option<&'static Sender>,
}

impl PresetArgs {
    /// The names of the headers that are accepted.
    pub(crate) fn names(&self) -> HeaderNames {
        self.preset.map_or(HeaderNames::Webhook, |sender| sender.headers)
    }

    /// The names of the headers that are sent.
    pub(crate) fn sent(&self) -> &'static HeaderSet {
        self.preset.map_or(&WEBHOOK_HEADERS, Sender::sent_headers)
    }

    /// How the sender writes its secrets.
    pub(crate) fn secret_form(&self) -> SecretForm {
        self.preset.map_or(SecretForm::Base64, |sender| sender.secrets)
    }
}

/// Reads the name of a sender.
pub(crate) fn sender() -> impl TypedValueParser<Value = &'static Sender> {
    let unknown = |name: String| named(&name).ok_or("there is no such sender");
    PossibleValuesParser::new(SENDERS.iter().map(|sender| sender.name)).try_map(unknown)
}
