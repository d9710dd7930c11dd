//! The proof that verification returns: [`Verified`].

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::UnixTime;
use crate::message_id::MessageId;
use crate::replay::ReplayKey;
use crate::verifier::Verifier;

/// Proof that the source signed exactly this body, recently.
///
/// Only [`Attempt::finish`](crate::verify::Attempt::finish) creates one. A clone is cheap.
#[derive(Clone)]
pub struct Verified {
    verifier: Verifier,
    scheme: Scheme,
    key: MatchedKey,
    timestamp: UnixTime,
    message_id: MessageId,
    body: Bytes,
}

/// The key that made the signature.
#[derive(Clone, Debug)]
pub(crate) enum MatchedKey {
    /// The secret at this place.
    Secret(usize),
    /// The public key of this label.
    Public(Arc<str>),
}

impl Verified {
    pub(crate) fn new(
        verifier: Verifier,
        scheme: Scheme,
        key: MatchedKey,
        timestamp: UnixTime,
        message_id: MessageId,
        body: Bytes,
    ) -> Self {
        Self { verifier, scheme, key, timestamp, message_id, body }
    }

    /// The name of the source whose keys matched.
    pub fn source(&self) -> &str {
        self.verifier.source()
    }

    /// The signature scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The label of the key that matched. For a secret: its own label, else `secret-N` for the N-th secret. For a
    /// public key: its `kid`, else its RFC 7638 thumbprint.
    pub fn key_label(&self) -> &str {
        match &self.key {
            MatchedKey::Secret(index) => self.verifier.secret_label(*index),
            MatchedKey::Public(label) => label,
        }
    }

    /// When this attempt was signed, in whole seconds: the signed timestamp header, or the `iat` claim of a token that
    /// has one.
    pub fn timestamp(&self) -> UnixTime {
        self.timestamp
    }

    /// The signed message id. It is the same for every attempt at a delivery.
    ///
    /// A token does not sign the `webhook-id` header. The id is then the `jti` claim, or the SHA-256 of the token's
    /// signing input if it has no `jti`.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// The signed body, byte for byte.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The key of this message in a [`ReplayStore`](crate::replay::ReplayStore).
    pub fn replay_key(&self) -> ReplayKey {
        ReplayKey::new(self.verifier.shared_source(), self.message_id.clone())
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("source", &self.source())
            .field("scheme", &self.scheme)
            .field("key_label", &self.key_label())
            .field("timestamp", &self.timestamp)
            .field("message_id", &self.message_id)
            .field("body", &format_args!("[{} bytes]", self.body.len()))
            .finish()
    }
}

/// The signature scheme of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `v1` of Standard Webhooks: HMAC-SHA256 (RFC 2104) with a shared secret.
    V1,
    /// `v1a` of Standard Webhooks: Ed25519 (RFC 8032), verified strictly.
    V1a,
    /// A JSON Web Token (RFC 7519), signed with RS256 (RFC 7518).
    Rs256,
}

impl Scheme {
    /// The scheme's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
            Self::Rs256 => "rs256",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
