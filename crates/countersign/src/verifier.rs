//! Whom a verifier trusts: a source's secrets, public keys and token policy.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::verifier::VerifierError;
//! use countersign::{Secret, Verifier};
//!
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let verifier = Verifier::builder("gemini").secret(secret).tolerance(Duration::from_secs(60)).build()?;
//! assert_eq!(verifier.source(), "gemini");
//! assert_eq!(Verifier::builder("two words").build().err(), Some(VerifierError::Source));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::UnixTime;
use crate::key::{KeySet, PublicKey};
use crate::name::{SharedSource, is_source_name};
use crate::scheme::token::{self, Policy};
use crate::secret::Secret;
#[cfg(feature = "rs256")]
pub use crate::token_policy::TokenPolicy;

/// How far a timestamp may be off unless the source says otherwise.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_mins(5);
/// A source has at most this many secrets; a rotation needs two.
pub const MAX_SECRETS: usize = 8;
/// At most this many Ed25519 keys are tried, pinned ones first: a `v1a` signature names none.
pub const MAX_ED25519_KEYS: usize = 16;

/// Verifies the deliveries of one source. A clone is cheap and shares the keys.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

pub(crate) struct Inner {
    source: SharedSource,
    pub(crate) secrets: Arc<[Secret]>,
    labels: Vec<String>,
    pinned: Vec<PublicKey>,
    pub(crate) set: Arc<KeySet>,
    pub(crate) token: Option<Policy>,
    pub(crate) tolerance_secs: u64,
    /// Which Ed25519 key matched last, to be tried first.
    last_matched: AtomicUsize,
}

impl Verifier {
    /// Begins to describe a verifier for the source of this name.
    ///
    /// The name is 1 to 64 visible ASCII characters: it goes into verdicts, headers and metrics, and
    /// keeps one source's message ids apart from another's in a shared replay store.
    pub fn builder(source: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder {
            source: source.into(),
            secrets: Vec::new(),
            public_keys: Vec::new(),
            set: None,
            token: None,
            tolerance: DEFAULT_TOLERANCE,
        }
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The same verifier with the public keys of this set in place of those of its last one.
    #[must_use]
    pub fn with_key_set(&self, set: Arc<KeySet>) -> Self {
        let Inner { source, secrets, labels, pinned, set: _, token, tolerance_secs, last_matched: _ } = &*self.0;
        Self(Arc::new(Inner {
            source: Arc::clone(source),
            secrets: Arc::clone(secrets),
            labels: labels.clone(),
            pinned: pinned.clone(),
            set,
            token: token.clone(),
            tolerance_secs: *tolerance_secs,
            last_matched: AtomicUsize::new(0),
        }))
    }

    /// The key set that it verifies with.
    pub fn key_set(&self) -> &Arc<KeySet> {
        &self.0.set
    }

    /// How long after it was accepted the same request may be accepted again, at most: as long as a
    /// [`ReplayStore`](crate::ReplayStore) has to remember its id.
    ///
    /// That is twice the tolerance, since timestamps may be off in both directions. With a token policy it is at
    /// least 24 h and 1 min, and the tolerance: the longest life of a token that does not say when it was issued
    /// (no `iat`, an `exp` within 24 h), the leeway, and what the unsigned header beside it may be off.
    pub fn longest_life(&self) -> Duration {
        let tolerance = Duration::from_secs(self.0.tolerance_secs);
        let of_tokens = self.0.token.as_ref().map(|_| token::LONGEST_LIFE.saturating_add(tolerance));
        of_tokens.unwrap_or_default().max(tolerance.saturating_mul(2))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn shared_source(&self) -> SharedSource {
        Arc::clone(&self.0.source)
    }

    pub(crate) fn secret_label(&self, index: usize) -> &str {
        &self.0.labels[index]
    }
}

impl Inner {
    /// How many secrets have not expired.
    pub(crate) fn live_secrets(&self, now: UnixTime) -> usize {
        self.secrets.iter().filter(|secret| secret.is_live(now)).count()
    }

    /// Whether both have the same secrets, of which one was made with the keys of the other.
    pub(crate) fn shares_secrets_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.secrets, &other.secrets)
    }

    /// Whether one of its Ed25519 keys, of those that are tried, is this one.
    pub(crate) fn has_ed25519_key(&self, key: &PublicKey) -> bool {
        self.ed25519_keys().any(|own| own.key() == key.key())
    }

    /// The first Ed25519 key that `matches`: the one that did so last is asked first.
    pub(crate) fn find_ed25519_key(&self, mut matches: impl FnMut(&PublicKey) -> bool) -> Option<&PublicKey> {
        let last = self.last_matched.load(Ordering::Relaxed);
        let first = self.ed25519_keys().enumerate().filter(|(index, _)| *index == last);
        let others = self.ed25519_keys().enumerate().filter(|(index, _)| *index != last);
        let (index, key) = first.chain(others).find(|(_, key)| matches(key))?;
        self.last_matched.store(index, Ordering::Relaxed);
        Some(key)
    }

    /// The Ed25519 keys that are tried.
    pub(crate) fn ed25519_keys(&self) -> impl Iterator<Item = &PublicKey> {
        // A key that is pinned and published too is one key: each costs a trial.
        let is_pinned = |key: &PublicKey| self.pinned.iter().any(|pinned| pinned.key() == key.key());
        self.pinned.iter().chain(self.set.ed25519().iter().filter(move |key| !is_pinned(key))).take(MAX_ED25519_KEYS)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("source", &self.0.source)
            .field("secrets", &self.0.secrets)
            .field("public_keys", &self.0.pinned)
            .field("key_set", &self.0.set)
            .field("token", &self.0.token)
            .field("tolerance_secs", &self.0.tolerance_secs)
            .finish()
    }
}

/// Describes a [`Verifier`].
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifierBuilder {
    source: String,
    secrets: Vec<Secret>,
    public_keys: Vec<PublicKey>,
    set: Option<Arc<KeySet>>,
    token: Option<Policy>,
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

    /// Pins public keys of `v1a`, in addition to those of a key set.
    #[cfg(feature = "v1a")]
    pub fn public_keys(mut self, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        self.public_keys.extend(keys);
        self
    }

    /// Also verifies with the public keys of this set. Pass `KeySet::default()` if the keys are fetched later.
    pub fn key_set(mut self, set: impl Into<Arc<KeySet>>) -> Self {
        self.set = Some(set.into());
        self
    }

    /// Also accepts tokens that meet this policy. By default, tokens are rejected.
    #[cfg(feature = "rs256")]
    pub fn token(mut self, policy: TokenPolicy) -> Self {
        self.token = Some(policy.into_policy());
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
        if self.public_keys.len() > MAX_ED25519_KEYS {
            return Err(VerifierError::TooManyPublicKeys);
        }
        if self.token.as_ref().is_some_and(|policy| !policy.has_audience()) {
            return Err(VerifierError::NoAudience);
        }
        if self.secrets.is_empty() && self.public_keys.is_empty() && self.set.is_none() && self.token.is_none() {
            return Err(VerifierError::NoKeys);
        }
        let numbered = self.secrets.iter().zip(1..);
        let labels: Vec<String> = numbered
            .map(|(secret, number)| secret.label().map_or_else(|| format!("secret-{number}"), str::to_owned))
            .collect();
        let mut given = labels.iter().map(String::as_str).chain(self.public_keys.iter().map(PublicKey::label));
        if !given.all(is_source_name) {
            return Err(VerifierError::Label);
        }
        Ok(Verifier(Arc::new(Inner {
            source: self.source.into(),
            secrets: self.secrets.into(),
            labels,
            pinned: self.public_keys,
            set: self.set.unwrap_or_default(),
            token: self.token,
            tolerance_secs: self.tolerance.as_secs(),
            last_matched: AtomicUsize::new(0),
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
    /// There are more than [`MAX_ED25519_KEYS`] pinned keys.
    TooManyPublicKeys,
    /// There is no secret, no public key, no key set and no token policy: every delivery would be rejected.
    NoKeys,
    /// There is a token policy without an audience: any of the issuer's tokens would do.
    NoAudience,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("the name of a source is 1 to 64 visible ASCII characters without spaces"),
            Self::Label => f.write_str("the label of a key is 1 to 64 visible ASCII characters without spaces"),
            Self::TooManySecrets => {
                write!(f, "a source has at most {MAX_SECRETS} secrets: remove those that have expired")
            }
            Self::TooManyPublicKeys => write!(f, "a source has at most {MAX_ED25519_KEYS} pinned public keys"),
            Self::NoKeys => f.write_str(
                "a verifier needs a secret, a public key, a key set or a token policy; for keys that are fetched later, \
                 pass an empty key set",
            ),
            Self::NoAudience => f.write_str("a token policy needs one audience at least: the URL of this endpoint"),
        }
    }
}

impl std::error::Error for VerifierError {}
