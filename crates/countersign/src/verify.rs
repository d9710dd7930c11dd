//! The order of checks, and nothing else.
//!
//! Verification is in two steps, so that a hopeless request is refused before its body is read:
//! [`Verifier::begin`] looks at the head, [`Attempt::finish`] at the body.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::UnixTime;
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::scheme::list::{self, Entry, Signature};
use crate::secret::Secret;
use crate::verdict::{MessageId, Reason, Rejection, Scheme, SharedSource, Verified, is_source_name};

/// How far a timestamp may be off unless the source says otherwise.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_mins(5);
/// A source has at most this many secrets; a rotation needs two.
pub const MAX_SECRETS: usize = 8;

/// Verifies the deliveries of one source. A clone is cheap and shares the keys.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    source: SharedSource,
    secrets: Vec<Secret>,
    labels: Vec<String>,
    tolerance_secs: u64,
}

impl Verifier {
    /// Begins to describe a verifier for the source of this name.
    ///
    /// The name is 1 to 64 visible ASCII characters: it goes into verdicts, headers and metrics, and
    /// keeps one source's message ids apart from another's in a shared replay store.
    pub fn builder(source: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder { source: source.into(), secrets: Vec::new(), tolerance: DEFAULT_TOLERANCE }
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Checks all that the head of a request can tell. `now` is when the request arrived.
    pub fn begin(&self, headers: &HeaderMap, now: UnixTime) -> Result<Attempt, Rejection> {
        let values = Values::of(headers)?;
        let message_id = MessageId::from_header(values.id).ok_or(Reason::MalformedId)?;
        let timestamp = parse_timestamp(values.timestamp.as_bytes()).ok_or(Reason::MalformedTimestamp)?;
        check_freshness(timestamp, now, self.0.tolerance_secs)?;
        let first_signature = first_usable(values.signature.as_bytes(), !self.0.secrets.is_empty())?;
        Ok(Attempt {
            verifier: self.clone(),
            message_id,
            timestamp,
            timestamp_text: values.timestamp.clone(),
            first_signature,
            signatures: values.signature.clone(),
            arrived: now,
        })
    }

    pub(crate) fn shared_source(&self) -> SharedSource {
        Arc::clone(&self.0.source)
    }

    pub(crate) fn secret_label(&self, index: usize) -> &str {
        &self.0.labels[index]
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("source", &self.0.source)
            .field("secrets", &self.0.secrets)
            .field("tolerance_secs", &self.0.tolerance_secs)
            .finish()
    }
}

/// A delivery whose head is in order and whose body is still to come.
#[must_use = "nothing is verified until `finish` has seen the body"]
#[derive(Clone, Debug)]
pub struct Attempt {
    verifier: Verifier,
    message_id: MessageId,
    timestamp: u64,
    timestamp_text: HeaderValue,
    first_signature: Signature,
    signatures: HeaderValue,
    arrived: UnixTime,
}

impl Attempt {
    /// Checks the signatures over the body, which is to be the one that was received, untouched.
    pub fn finish(self, body: Bytes) -> Result<Verified, Rejection> {
        let secret = self.matching_secret(&body).ok_or(Reason::SignatureMismatch)?;
        Ok(Verified::new(self.verifier, Scheme::V1, secret, self.timestamp, self.message_id, body))
    }

    fn matching_secret(&self, body: &[u8]) -> Option<usize> {
        let signed = [self.message_id.as_bytes(), b".", self.timestamp_text.as_bytes(), b".", body];
        let secrets = self.verifier.0.secrets.iter().enumerate();
        let mut live = secrets.filter(|(_, secret)| secret.is_live(self.arrived));
        // One tag for a secret, however many signatures are listed: a list costs its sender more than us.
        let matching = live.find(|(_, secret)| {
            let tag = secret.key().tag(&signed);
            let fits = |entry| matches!(entry, Entry::Hmac(signature) if tag.matches(&signature));
            tag.matches(&self.first_signature) || list::entries(self.signatures.as_bytes()).any(fits)
        });
        matching.map(|(index, _)| index)
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

/// Digits only, no sign, no leading zero, within i64: one number has one spelling.
fn parse_timestamp(text: &[u8]) -> Option<u64> {
    let plain = match text {
        [] => false,
        [b'0', rest @ ..] => rest.is_empty(),
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    let number = plain.then(|| std::str::from_utf8(text).ok()?.parse::<i64>().ok())??;
    u64::try_from(number).ok()
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

/// The first signature that one of our keys could have made; most deliveries have no other.
fn first_usable(header: &[u8], have_secrets: bool) -> Result<Signature, Rejection> {
    if is_token(header) {
        return Err(Reason::UnsupportedScheme.into());
    }
    if list::has_too_many(header) {
        return Err(Reason::MalformedSignature.into());
    }
    let mut readable = false;
    for entry in list::entries(header) {
        readable = true;
        if let (Entry::Hmac(signature), true) = (entry, have_secrets) {
            return Ok(signature);
        }
    }
    Err(if readable { Reason::UnsupportedScheme } else { Reason::MalformedSignature }.into())
}

fn is_token(header: &[u8]) -> bool {
    // A list has its first comma near its beginning, so most headers are told apart at once.
    !header.iter().any(|byte| matches!(byte, b',' | b' ')) && header.iter().filter(|byte| **byte == b'.').count() == 2
}

/// Describes a [`Verifier`].
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifierBuilder {
    source: String,
    secrets: Vec<Secret>,
    tolerance: Duration,
}

impl VerifierBuilder {
    /// Adds a secret. Put the current one first: it is tried first.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Adds secrets, in the order in which they are to be tried.
    pub fn secrets(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// Sets how far a timestamp may be off, in either direction, in whole seconds, inclusive;
    /// [`DEFAULT_TOLERANCE`] unless set.
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Makes the verifier, if the description is sound.
    pub fn build(self) -> Result<Verifier, VerifierError> {
        if !is_source_name(&self.source) {
            return Err(VerifierError::Source);
        }
        if self.secrets.len() > MAX_SECRETS {
            return Err(VerifierError::TooManySecrets);
        }
        let numbered = self.secrets.iter().zip(1..);
        let labels: Vec<String> = numbered
            .map(|(secret, number)| secret.label().map_or_else(|| format!("secret-{number}"), str::to_owned))
            .collect();
        if !labels.iter().all(|label| is_source_name(label)) {
            return Err(VerifierError::Label);
        }
        Ok(Verifier(Arc::new(Inner {
            source: self.source.into(),
            secrets: self.secrets,
            labels,
            tolerance_secs: self.tolerance.as_secs(),
        })))
    }
}

/// Why a verifier was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifierError {
    /// The source's name is not 1 to 64 visible ASCII characters.
    Source,
    /// A label is not 1 to 64 visible ASCII characters.
    Label,
    /// There are more than [`MAX_SECRETS`] secrets.
    TooManySecrets,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("the name of a source is 1 to 64 visible ASCII characters without spaces"),
            Self::Label => f.write_str("the label of a secret is 1 to 64 visible ASCII characters without spaces"),
            Self::TooManySecrets => {
                write!(f, "a source has at most {MAX_SECRETS} secrets: remove those that have expired")
            }
        }
    }
}

impl std::error::Error for VerifierError {}
