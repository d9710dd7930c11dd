//! Keys of a JWKS document that are not used.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// How many characters of a publisher's text are shown.
const SHOWN: usize = 64;

/// A key of a JWKS document that is not used, for logs and reports. It displays as the place, the `kid` and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    place: usize,
    kid: Option<String>,
    reason: SkipReason,
}

impl SkippedKey {
    pub(super) fn new(place: usize, kid: Option<&str>, reason: SkipReason) -> Self {
        Self { place, kid: kid.map(shown), reason }
    }

    /// The key's place in the document, from 1.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The key's `kid`, if it is text. Control characters are escaped, and only the first 64 characters are shown.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The reason, as the rest of a sentence about the key. Its wording may change.
    pub fn reason(&self) -> &str {
        &self.reason.text
    }

    /// Whether the key's private half is published, so that anyone can sign with it.
    pub fn is_private(&self) -> bool {
        self.reason.is_private
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.place)?;
        if let Some(kid) = &self.kid {
            write!(f, " (`{kid}`)")?;
        }
        write!(f, ": {}", self.reason.text)
    }
}

/// Why a key is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SkipReason {
    text: Cow<'static, str>,
    is_private: bool,
}

impl SkipReason {
    pub(super) fn private() -> Self {
        let text = "its private half is published, so anyone can sign with it: its sender must replace the key, and \
                    publish only the public half";
        Self { text: text.into(), is_private: true }
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for SkipReason {
    fn from(text: T) -> Self {
        Self { text: text.into(), is_private: false }
    }
}

/// A publisher's text in a form that is safe in a log and on a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(SHOWN) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => _ = write!(shown, "{}", character.escape_debug()),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
