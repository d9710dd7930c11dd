//! A verifier: the secrets, public keys and token policy of one source.
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

/// The default tolerance for timestamps.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// The maximum number of secrets of a source. A rotation needs two.
pub const MAX_SECRETS: usize = 8;
/// The maximum number of Ed25519 keys that are tried, pinned keys first. A `v1a` signature does not name its key.
pub const MAX_ED25519_KEYS: usize = 16;

/// Verifies the webhooks of one source. A clone is cheap and shares the keys.
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
    /// The index of the Ed25519 key that matched last. It is tried first.
    last_matched: AtomicUsize,
}

impl Verifier {
    /// Creates a builder for the source with this name.
    ///
    /// The name must be 1 to 64 visible ASCII characters. It is used in headers, logs and metrics, and separates the
    /// message ids of sources that share a replay store.
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

    /// Returns this verifier with another key set.
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

    /// The key set.
    pub fn key_set(&self) -> &Arc<KeySet> {
        &self.0.set
    }

    /// The longest time for which a copy of an accepted request is still accepted. A
    /// [`ReplayStore`](crate::replay::ReplayStore) must remember the message id for at least as long.
    ///
    /// It is twice the tolerance, because a timestamp may differ in both directions. With a token policy it is at least
    /// 24 h, 60 s and the tolerance: a token without `iat` may have an `exp` up to 24 h ahead, 60 s of leeway are
    /// allowed, and the timestamp header beside a token is not signed.
    pub fn longest_life(&self) -> Duration {
        let tolerance = Duration::from_secs(self.0.tolerance_secs);
        let of_tokens = self.0.token.as_ref().map(|_| token::LONGEST_LIFE.saturating_add(tolerance));
        of_tokens.unwrap_or_default().max(tolerance.saturating_mul(2))
    }

    /// Whether both are clones of one verifier.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
    /// The number of secrets that have not expired.
    pub(crate) fn live_secrets(&self, now: UnixTime) -> usize {
        self.secrets.iter().filter(|secret| secret.is_live(now)).count()
    }

    /// Whether one verifier was made from the other by replacing the key set.
    pub(crate) fn shares_secrets_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.secrets, &other.secrets)
    }

    /// Whether this key is one of the Ed25519 keys that are tried.
    pub(crate) fn has_ed25519_key(&self, key: &PublicKey) -> bool {
        self.ed25519_keys().any(|own| own.key() == key.key())
    }

    /// The first Ed25519 key for which `matches` returns true. The key that matched last is tried first.
    pub(crate) fn find_ed25519_key(&self, mut matches: impl FnMut(&PublicKey) -> bool) -> Option<&PublicKey> {
        let last = self.last_matched.load(Ordering::Relaxed);
        let first = self.ed25519_keys().enumerate().filter(|(index, _)| *index == last);
        let others = self.ed25519_keys().enumerate().filter(|(index, _)| *index != last);
        let (index, key) = first.chain(others).find(|(_, key)| matches(key))?;
        self.last_matched.store(index, Ordering::Relaxed);
        Some(key)
    }

    /// The Ed25519 keys that are tried, in order.
    pub(crate) fn ed25519_keys(&self) -> impl Iterator<Item = &PublicKey> {
        // A key that is both pinned and in the key set is tried once.
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

/// Configures a [`Verifier`].
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
    /// Adds a secret. Secrets are tried in this order, so add the current one first.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Adds secrets. They are tried in this order.
    pub fn secrets(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.secrets.extend(secrets);
        self
    }

    /// Pins `v1a` public keys, in addition to the keys of a key set.
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

    /// Sets how far a timestamp may differ from the time of arrival, in both directions. The limit is inclusive and in
    /// whole seconds. Default: [`DEFAULT_TOLERANCE`].
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Builds the verifier.
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

/// A [`VerifierBuilder`] is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifierError {
    /// The name of the source is not 1 to 64 visible ASCII characters.
    Source,
    /// A label is not 1 to 64 visible ASCII characters.
    Label,
    /// There are more than [`MAX_SECRETS`] secrets.
    TooManySecrets,
    /// There are more than [`MAX_ED25519_KEYS`] pinned keys.
    TooManyPublicKeys,
    /// There is no secret, public key, key set or token policy, so every request would be rejected.
    NoKeys,
    /// The token policy has no audience, so every token of the issuer would be accepted.
    NoAudience,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("invalid source name: use 1 to 64 visible ASCII characters without spaces"),
            Self::Label => f.write_str("invalid key label: use 1 to 64 visible ASCII characters without spaces"),
            Self::TooManySecrets => {
                write!(f, "too many secrets: a source can have {MAX_SECRETS}; remove those that have expired")
            }
            Self::TooManyPublicKeys => write!(f, "too many public keys: a source can have {MAX_ED25519_KEYS}; remove those that are no longer used"),
            Self::NoKeys => f.write_str(
                "a verifier needs a secret, a public key, a key set or a token policy; for keys that are fetched later, \
                 pass an empty key set",
            ),
            Self::NoAudience => f.write_str("the token policy has no audience: add the URL of this endpoint"),
        }
    }
}

impl std::error::Error for VerifierError {}
