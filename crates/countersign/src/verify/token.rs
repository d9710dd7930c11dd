//! Verifies a token.

use bytes::Bytes;

use super::freshness::check_freshness;
use crate::clock::UnixTime;
use crate::crypto;
use crate::header::HeaderSet;
use crate::key::RsaKey;
use crate::message_id::MessageId;
use crate::rejection::{Reason, Rejection};
use crate::scheme::token::{self, Token};
use crate::verdict::{MatchedKey, Scheme, Verified};
use crate::verifier::Verifier;

/// The maximum number of RSA keys with the same `kid` that are tried for a token. A rotation has two.
const MAX_RSA_KEYS: usize = 4;
/// The maximum time for RSA verification, in µs. A 2048-bit key takes 17 µs.
const RSA_BUDGET: u32 = 900;
/// A verified token, apart from its binding to the body.
#[derive(Clone, Debug)]
pub(super) struct CheckedToken {
    key: MatchedKey,
    message_id: MessageId,
    issued: Option<u64>,
    /// Whether the claims must bind the body. A body hash in the claims must always match.
    must_bind: bool,
    payload: Vec<u8>,
}

impl CheckedToken {
    /// Checks everything about a token except that it binds the body.
    pub(super) fn check(
        verifier: &Verifier,
        tried: Option<&Verifier>,
        header: &[u8],
        now: UnixTime,
    ) -> Result<Self, Rejection> {
        let policy = verifier.inner().token.as_ref().ok_or(Reason::UnsupportedScheme)?;
        let token = Token::parse(header).filter(|token| token.header.has_type_of(policy));
        let token = token.ok_or(Reason::TokenMalformed)?;
        if !token.header.is_rs256() {
            return Err(Reason::TokenAlgorithm.into());
        }
        let is_named = |key: &&RsaKey| token.header.key_id() == Some(key.id.as_str());
        let named = verifier.inner().set.rsa().iter().filter(is_named);
        if named.clone().next().is_none() {
            let is_named = token.header.key_id().is_some();
            return Err(Rejection::from(Reason::UnknownKey).wanting_public_key(is_named));
        }
        let is_new =
            |key: &&RsaKey| !tried.is_some_and(|tried| tried.inner().set.rsa().iter().any(|own| own.is_same(key)));
        let mut spent = 0;
        let mut affordable =
            named.filter(is_new).filter(|key| key.key.fits(&token.signature)).take(MAX_RSA_KEYS).take_while(|key| {
                let is_first = spent == 0;
                spent += key.key.micros();
                is_first || spent <= RSA_BUDGET
            });
        let key = affordable
            .find(|key| key.key.verifies(token.signing_input, &token.signature))
            .ok_or(Rejection::from(Reason::SignatureMismatch).wanting_public_key(true))?;
        if !token.has_unique_claims() {
            return Err(Reason::TokenMalformed.into());
        }
        let issued = token.claims.check(policy, now.as_secs())?;
        if let Some(issued) = issued {
            check_freshness(issued, now, verifier.inner().tolerance_secs)?;
        }
        Ok(Self {
            key: MatchedKey::Public(key.label.clone()),
            message_id: signed_id(&token),
            issued,
            must_bind: policy.binds_body,
            payload: token.into_payload(),
        })
    }

    /// Checks that the token binds the body.
    pub(super) fn finish(
        self,
        verifier: Verifier,
        names: &'static HeaderSet,
        arrived: UnixTime,
        body: Bytes,
    ) -> Result<Verified, Rejection> {
        if !token::fits(&self.payload, &body, self.must_bind) {
            return Err(Reason::BodyNotBound.into());
        }
        // The headers beside a token are not signed. A token without `iat` has no time of its own, so the time of
        // arrival is used.
        let timestamp = UnixTime::from_secs(self.issued.unwrap_or(arrived.as_secs()));
        Ok(Verified::new(verifier, names, Scheme::Rs256, self.key, timestamp, self.message_id, body))
    }
}

/// The message id of a token: its `jti`, which is the same on every attempt, or its hash.
fn signed_id(token: &Token<'_>) -> MessageId {
    // All tokens with an empty id would be the same message.
    match token.claims.jti.as_deref().filter(|jti| !jti.is_empty()) {
        Some(jti) => MessageId::parse(jti).unwrap_or_else(|_| MessageId::from_hash(&crypto::sha256(jti.as_bytes()))),
        None => MessageId::from_hash(&crypto::sha256(token.signing_input)),
    }
}
