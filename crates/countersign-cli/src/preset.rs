//! `--preset`: the header names and secrets of a known sender.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use countersign::header::{HeaderNames, HeaderSet, SVIX_HEADERS, WEBHOOK_HEADERS};
use countersign_senders::{Key, SENDERS, SecretForm, Sender, named, renamed};
use http::HeaderMap;
use zeroize::Zeroizing;

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

    /// The text of a secret as `Secret::parse` reads it.
    pub(crate) fn canonical(&self, text: &str) -> Zeroizing<String> {
        match self.preset.map_or(SecretForm::Base64, |sender| sender.secrets).read(text) {
            Key::Bytes(key) => Zeroizing::new(countersign::secret::encode(key).to_string()),
            Key::Encoded(text) => Zeroizing::new(text.into()),
        }
    }
}

/// A request as `explain` looks at it: with the names of Standard Webhooks.
pub(crate) fn as_standard(headers: HeaderMap, names: HeaderNames) -> HeaderMap {
    let is_ambiguous = headers.contains_key(&WEBHOOK_HEADERS.id) && headers.contains_key(&SVIX_HEADERS.id);
    match names {
        HeaderNames::Webhook => headers,
        HeaderNames::Either if is_ambiguous => headers,
        _ => renamed(headers, &SVIX_HEADERS, &WEBHOOK_HEADERS),
    }
}

/// Reads the name of a sender.
pub(crate) fn sender() -> impl TypedValueParser<Value = &'static Sender> {
    let unknown = |name: String| named(&name).ok_or("there is no such sender");
    PossibleValuesParser::new(SENDERS.iter().map(|sender| sender.name)).try_map(unknown)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_are_renamed_there_and_back() {
        let mut headers = HeaderMap::new();
        for (name, value) in WEBHOOK_HEADERS.names().into_iter().zip(["a", "b", "c"]) {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert("x-own", HeaderValue::from_static("d"));
        let svix = renamed(headers.clone(), &WEBHOOK_HEADERS, &SVIX_HEADERS);
        assert_eq!((svix.len(), &svix["svix-signature"]), (4, &HeaderValue::from_static("c")));
        assert_eq!(as_standard(svix.clone(), HeaderNames::Either), headers);
        assert_eq!(as_standard(svix.clone(), HeaderNames::Svix), headers);
        assert_eq!(as_standard(svix.clone(), HeaderNames::Webhook), svix);
        assert_eq!(as_standard(headers.clone(), HeaderNames::Svix), headers);
    }
}
