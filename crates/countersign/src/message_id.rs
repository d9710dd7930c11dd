//! The id of a message.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;

/// The id of a message: 1 to 256 visible ASCII characters, without `.`, which separates the signed parts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(HeaderValue);

impl MessageId {
    /// The longest id that is accepted, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses an id.
    pub fn parse(text: &str) -> Result<Self, MessageIdError> {
        HeaderValue::from_str(text).ok().and_then(|value| Self::from_header(&value)).ok_or(MessageIdError)
    }

    /// A new random id: `msg_` and 32 hex digits.
    ///
    /// # Panics
    ///
    /// If the operating system does not return random bytes.
    #[cfg(feature = "sign")]
    pub fn random() -> Self {
        let mut random = [0; 16];
        #[expect(clippy::expect_used, reason = "nothing can be signed without random bytes either")]
        getrandom::fill(&mut random).expect("the operating system returns random bytes");
        let text = format!("msg_{:032x}", u128::from_ne_bytes(random));
        #[expect(clippy::expect_used, reason = "letters, digits and `_` are valid in a header")]
        Self(HeaderValue::try_from(text).expect("an id is visible ASCII"))
    }

    /// The id of a message that has none, or one that cannot be a header value.
    #[cfg(feature = "rs256")]
    pub(crate) fn from_hash(hash: &[u8; 32]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex: Vec<_> = digits.map(|digit| DIGITS[usize::from(digit)]).collect();
        #[expect(clippy::expect_used, reason = "hex digits are valid in a header")]
        Self(HeaderValue::from_bytes(&hex).expect("hex is visible ASCII"))
    }

    pub(crate) fn from_header(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        // No early exit, so that the compiler vectorizes the loop.
        let allowed = |all: bool, byte: &u8| all & (byte.is_ascii_graphic() && *byte != b'.');
        ((1..=Self::MAX_LEN).contains(&bytes.len()) && bytes.iter().fold(true, allowed)).then(|| Self(value.clone()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        #[expect(clippy::expect_used, reason = "only visible ASCII passes `from_header`")]
        self.0.to_str().expect("an id is visible ASCII")
    }

    /// The id as a header value, without a copy.
    pub fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// A copy with memory of its own, instead of a part of the memory of its request.
    pub(crate) fn apart(&self) -> Self {
        #[expect(clippy::expect_used, reason = "it is the value of a header already")]
        Self(HeaderValue::from_bytes(self.as_bytes()).expect("an id is visible ASCII"))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        Self::parse(text)
    }
}

/// A text is not a [`MessageId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIdError;

impl fmt::Display for MessageIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message id is 1 to {} visible ASCII characters, without space and `.`", MessageId::MAX_LEN)
    }
}

impl std::error::Error for MessageIdError {}
