//! The order of checks, and nothing else.
//!
//! Verification is in two steps, so that a hopeless request is refused before its body is read:
//! [`Verifier::begin`] looks at the head, [`Attempt::finish`] at the body. The [crate's](crate)
//! documentation has an example.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::UnixTime;
use crate::crypto;
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::key::RsaKey;
use crate::scheme::list::{self, Entry, Signature};
use crate::scheme::token::{self, Token};
use crate::verdict::{MatchedKey, MessageId, Reason, Rejection, Scheme, Verified};
use crate::verifier::Verifier;

/// A `v1a` signature costs us far more than its sender, and each may have to be tried with each key.
const MAX_ED25519_TRIALS: usize = 64;

impl Verifier {
    /// Checks all that the head of a request can tell: the three headers, the age, the signature's form; of a
    /// token, all but what it says of the body. `now` is when the request arrived, and counts for all that
    /// expires, however late [`finish`](Attempt::finish) is called.
    ///
    /// It may reject with every [`Reason`] but [`BodyNotBound`](Reason::BodyNotBound), and with
    /// [`SignatureMismatch`](Reason::SignatureMismatch) for a token only.
    pub fn begin(&self, headers: &HeaderMap, now: UnixTime) -> Result<Attempt, Rejection> {
        let values = Values::of(headers)?;
        let message_id = MessageId::from_header(values.id).ok_or(Reason::MalformedId)?;
        let timestamp = Timestamp::parse(values.timestamp.as_bytes()).ok_or(Reason::MalformedTimestamp)?;
        check_freshness(timestamp.seconds, now, self.inner().tolerance_secs)?;
        let evidence = if token::is_token(values.signature.as_bytes()) {
            Evidence::Token(Box::new(self.check_token(values.signature.as_bytes(), now)?))
        } else {
            let listed = self.check_list(values.signature.as_bytes())?;
            let signatures = (listed.readable > 1 || listed.has_ed25519).then(|| values.signature.clone());
            Evidence::List { listed, signatures }
        };
        Ok(Attempt { verifier: self.clone(), message_id, timestamp, evidence, arrived: now })
    }

    fn check_list(&self, header: &[u8]) -> Result<Listed, Rejection> {
        if list::has_too_many(header) {
            return Err(Reason::MalformedSignature.into());
        }
        let mut listed = Listed::default();
        for entry in list::entries(header) {
            listed.readable += 1;
            match entry {
                Entry::Hmac(signature) => listed.first_hmac = listed.first_hmac.or(Some(signature)),
                Entry::Ed25519(_) => listed.has_ed25519 = true,
                Entry::Unknown => {}
            }
        }
        let inner = self.inner();
        let has_hmac = listed.first_hmac.is_some() && !inner.secrets.is_empty();
        if listed.readable == 0 {
            Err(Reason::MalformedSignature.into())
        } else if has_hmac || (listed.has_ed25519 && inner.has_ed25519_key()) {
            Ok(listed)
        } else {
            Err(Rejection::from(Reason::UnsupportedScheme).wanting_public_key(listed.has_ed25519))
        }
    }

    /// All of a token but what it says of the body.
    fn check_token(&self, header: &[u8], now: UnixTime) -> Result<CheckedToken, Rejection> {
        let policy = self.inner().token.as_ref().ok_or(Reason::UnsupportedScheme)?;
        let token = Token::parse(header).ok_or(Reason::TokenMalformed)?;
        if !token.header.is_rs256() {
            return Err(Reason::TokenAlgorithm.into());
        }
        let is_named = |key: &&RsaKey| token.header.key_id() == Some(key.id.as_str());
        let mut named = self.inner().set.rsa().iter().filter(is_named).peekable();
        if named.peek().is_none() {
            let is_named = token.header.key_id().is_some();
            return Err(Rejection::from(Reason::UnknownKey).wanting_public_key(is_named));
        }
        let key = named
            .find(|key| key.key.verifies(token.signing_input, &token.signature))
            .ok_or(Rejection::from(Reason::SignatureMismatch).wanting_public_key(true))?;
        let issued = token.claims.check(policy, now.as_secs())?;
        if let Some(issued) = issued {
            check_freshness(issued, now, self.inner().tolerance_secs)?;
        }
        Ok(CheckedToken {
            key: MatchedKey::Public(key.label.clone()),
            message_id: signed_id(&token),
            issued,
            payload: policy.binds_body.then(|| token.into_payload()),
        })
    }
}

/// A delivery whose head is in order and whose body is still to come.
#[must_use = "nothing is verified until `finish` has seen the body"]
#[derive(Clone, Debug)]
pub struct Attempt {
    verifier: Verifier,
    message_id: MessageId,
    timestamp: Timestamp,
    evidence: Evidence,
    arrived: UnixTime,
}

#[derive(Clone, Debug)]
enum Evidence {
    /// The header is kept if it holds more than the one signature that was decoded.
    List {
        listed: Listed,
        signatures: Option<HeaderValue>,
    },
    Token(Box<CheckedToken>),
}

/// What a list holds. The first `v1` signature is kept decoded: most deliveries have no other.
#[derive(Clone, Debug, Default)]
struct Listed {
    readable: usize,
    first_hmac: Option<Signature>,
    has_ed25519: bool,
}

/// A token that holds, whatever the body.
#[derive(Clone, Debug)]
struct CheckedToken {
    key: MatchedKey,
    message_id: MessageId,
    issued: Option<u64>,
    /// The claims, if they have to bind the body.
    payload: Option<Vec<u8>>,
}

impl Attempt {
    /// Checks the signatures over the body, which is to be the one that was received, untouched.
    ///
    /// It may reject with [`SignatureMismatch`](Reason::SignatureMismatch), and of a token with
    /// [`BodyNotBound`](Reason::BodyNotBound).
    pub fn finish(self, body: Bytes) -> Result<Verified, Rejection> {
        match self.evidence {
            Evidence::List { ref listed, ref signatures } => {
                let signed = [self.message_id.as_bytes(), b".", self.timestamp.as_text(), b".", &body];
                let header = signatures.as_ref().map_or(&[][..], HeaderValue::as_bytes);
                let (scheme, key) = self
                    .matching_secret(&signed, listed, header)
                    .or_else(|| self.matching_public_key(&signed, listed, header))
                    .ok_or(Rejection::from(Reason::SignatureMismatch).wanting_public_key(listed.has_ed25519))?;
                Ok(Verified::new(self.verifier, scheme, key, self.timestamp.seconds, self.message_id, body))
            }
            Evidence::Token(token) => {
                let CheckedToken { key, message_id, issued, payload } = *token;
                if payload.is_some_and(|payload| !token::binds(&payload, &body)) {
                    return Err(Reason::BodyNotBound.into());
                }
                // The headers beside a token are not signed, so what it says itself is what counts.
                let timestamp = issued.unwrap_or(self.timestamp.seconds);
                Ok(Verified::new(self.verifier, Scheme::Rs256, key, timestamp, message_id, body))
            }
        }
    }

    fn matching_secret(&self, signed: &[&[u8]], listed: &Listed, header: &[u8]) -> Option<(Scheme, MatchedKey)> {
        let first = listed.first_hmac?;
        let secrets = self.verifier.inner().secrets.iter().enumerate();
        let mut live = secrets.filter(|(_, secret)| secret.is_live(self.arrived));
        // One tag for a secret, however many signatures are listed: a list costs its sender more than us.
        let matching = live.find(|(_, secret)| {
            let tag = secret.key().tag(signed);
            let fits = |entry| matches!(entry, Entry::Hmac(signature) if tag.matches(&signature));
            tag.matches(&first) || list::entries(header).any(fits)
        });
        matching.map(|(index, _)| (Scheme::V1, MatchedKey::Secret(index)))
    }

    fn matching_public_key(&self, signed: &[&[u8]], listed: &Listed, header: &[u8]) -> Option<(Scheme, MatchedKey)> {
        if !listed.has_ed25519 {
            return None;
        }
        let message = signed.concat();
        let mut trials = 0..MAX_ED25519_TRIALS;
        let key = self.verifier.inner().find_ed25519_key(|key| {
            list::entries(header).any(|entry| match entry {
                Entry::Ed25519(signature) => trials.next().is_some() && key.key().verifies(&message, &signature),
                _ => false,
            })
        });
        key.map(|key| (Scheme::V1a, MatchedKey::Public(key.shared_label())))
    }
}

/// What a token's delivery is known by: its `jti`, which is the same for every attempt, or itself.
fn signed_id(token: &Token<'_>) -> MessageId {
    match &token.claims.jti {
        Some(jti) => MessageId::parse(jti).unwrap_or_else(|| MessageId::from_hash(&crypto::sha256(jti.as_bytes()))),
        None => MessageId::from_hash(&crypto::sha256(token.signing_input)),
    }
}

/// The three headers, each there exactly once.
struct Values<'h> {
    id: &'h HeaderValue,
    timestamp: &'h HeaderValue,
    signature: &'h HeaderValue,
}

impl<'h> Values<'h> {
    fn of(headers: &'h HeaderMap) -> Result<Self, Rejection> {
        let id = Found::of(headers, &WEBHOOK_ID)?;
        let timestamp = Found::of(headers, &WEBHOOK_TIMESTAMP)?;
        let signature = Found::of(headers, &WEBHOOK_SIGNATURE)?;
        Ok(Self {
            id: id.once(&WEBHOOK_ID)?,
            timestamp: timestamp.once(&WEBHOOK_TIMESTAMP)?,
            signature: signature.once(&WEBHOOK_SIGNATURE)?,
        })
    }
}

/// A header that is there, found in one look-up.
struct Found<'h> {
    value: &'h HeaderValue,
    repeated: bool,
}

impl<'h> Found<'h> {
    fn of(headers: &'h HeaderMap, name: &HeaderName) -> Result<Self, Rejection> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Err(Rejection::header(Reason::MissingHeader, name)),
            (Some(value), repeated) => Ok(Self { value, repeated: repeated.is_some() }),
        }
    }

    fn once(self, name: &HeaderName) -> Result<&'h HeaderValue, Rejection> {
        if self.repeated { Err(Rejection::header(Reason::DuplicateHeader, name)) } else { Ok(self.value) }
    }
}

/// A number of seconds, and its digits as they were signed.
#[derive(Clone, Copy, Debug)]
struct Timestamp {
    seconds: u64,
    digits: [u8; Self::MAX_DIGITS],
    len: usize,
}

impl Timestamp {
    /// As many as i64 has.
    const MAX_DIGITS: usize = 19;

    /// Digits only, no sign, no leading zero, within i64: one number has one spelling.
    fn parse(text: &[u8]) -> Option<Self> {
        let is_padded = text.len() > 1 && text[0] == b'0';
        if !(1..=Self::MAX_DIGITS).contains(&text.len()) || is_padded {
            return None;
        }
        let append = |seconds: u64, digit: &u8| digit.is_ascii_digit().then(|| seconds * 10 + u64::from(digit - b'0'));
        let seconds = text.iter().try_fold(0, append).filter(|seconds| i64::try_from(*seconds).is_ok())?;
        let mut digits = [0; Self::MAX_DIGITS];
        digits[..text.len()].copy_from_slice(text);
        Some(Self { seconds, digits, len: text.len() })
    }

    fn as_text(&self) -> &[u8] {
        &self.digits[..self.len]
    }
}

fn check_freshness(timestamp: u64, now: UnixTime, tolerance: u64) -> Result<(), Rejection> {
    let now = now.as_secs();
    let off = now.abs_diff(timestamp);
    if off <= tolerance {
        Ok(())
    } else if timestamp < now {
        Err(Rejection::off_by(Reason::TimestampTooOld, off, tolerance))
    } else {
        Err(Rejection::off_by(Reason::TimestampTooNew, off, tolerance))
    }
}
