//! How the text of a secret becomes a key.

/// How senders write secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretForm {
    /// An optional `whsec_`, and base64.
    #[default]
    Base64,
    /// The text is the key.
    Raw,
    /// Base64 after `whsec_`. Without `whsec_`, the text is the key.
    Prefix,
    /// As [`Base64`](Self::Base64), with an optional `v1,` in front.
    Versioned,
}

/// What the text of a secret contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'t> {
    /// The key itself.
    Bytes(&'t [u8]),
    /// Base64 with an optional `whsec_`, as `Secret::parse` reads it.
    Encoded(&'t str),
}

impl SecretForm {
    /// What the sender shows in front of `whsec_`.
    pub fn shown_prefix(self) -> &'static str {
        match self {
            Self::Versioned => "v1,",
            Self::Base64 | Self::Raw | Self::Prefix => "",
        }
    }

    /// Reads the text of a secret.
    pub fn read(self, text: &str) -> Key<'_> {
        match self {
            Self::Raw => Key::Bytes(text.as_bytes()),
            // A key that was copied with quotes or spaces would never match, so its text is not used as the key.
            Self::Prefix if !text.starts_with("whsec_") && text.trim() == text => Key::Bytes(text.as_bytes()),
            Self::Versioned => Key::Encoded(text.strip_prefix("v1,").unwrap_or(text)),
            Self::Base64 | Self::Prefix => Key::Encoded(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        for (form, text, key) in [
            (SecretForm::Base64, "whsec_AAAA", Key::Encoded("whsec_AAAA")),
            (SecretForm::Raw, "whsec_AAAA", Key::Bytes(b"whsec_AAAA")),
            (SecretForm::Prefix, "whsec_AAAA", Key::Encoded("whsec_AAAA")),
            (SecretForm::Prefix, "polar_whs_x", Key::Bytes(b"polar_whs_x")),
            (SecretForm::Prefix, " polar_whs_x", Key::Encoded(" polar_whs_x")),
            (SecretForm::Versioned, "v1,whsec_AAAA", Key::Encoded("whsec_AAAA")),
            (SecretForm::Versioned, "whsec_AAAA", Key::Encoded("whsec_AAAA")),
        ] {
            assert_eq!(form.read(text), key, "{form:?}: {text}");
        }
    }
}
