//! The contract of replay stores.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::ClockReading;
use crate::message_id::{MessageId, MessageIdError};
use crate::name::{MAX_SOURCE_LEN, SharedSource, is_source_name};

/// Remembers which messages were handled.
///
/// # What an implementation must guarantee
///
/// If one of these is violated, messages are lost or handled twice:
///
/// - Of all concurrent claims on a key, at most one is [`Fresh`](Claim::Fresh), also across all processes that share
///   the store.
/// - A confirmed key stays [`Done`](Claim::Done) for the retention time of the store, which must cover the sender's
///   retries. It is never forgotten early: a full store rejects new claims with [`StoreErrorKind::Full`].
/// - After a release, the key can be claimed at once. If a release is lost, the key is free when the lease expires.
/// - If a claim settles after its lease has expired, and another claim holds or has confirmed the key, nothing changes.
///   The number of the token distinguishes the claims, so it is never reused for the same key, even after the key was
///   released or forgotten.
/// - Leases and retention are measured with a monotonic clock. If the wall clock jumps, no key is forgotten and no claim
///   is freed. See [Time](#time).
/// - Dropping the future of a claim or a confirmation must not leave a partial change. A confirmation takes effect from
///   the call on, even if its future is dropped: if it is lost, the message is handled twice.
/// - Sources are separate: the same message id of two sources is two keys.
///
/// Requests are verified before they are claimed, so only a holder of a key can fill a store.
///
/// # Time
///
/// The caller passes a reading of its clock. All calls use the same clock.
///
/// - A store inside the process uses [`ClockReading::monotonic`] and ignores the time of day.
/// - A store that several processes share uses the clock of its server, because the clocks of its clients differ.
/// - A store on disk also needs [`ClockReading::wall`], but only to compute after a restart how long the process was
///   down.
///
/// # Futures
///
/// Both futures are [`Unpin`]. If the sender disconnects, the caller can then move the future to a background task and
/// release the token of a late claim. [`std::future::Ready`] and `Pin<Box<dyn Future<…> + Send>>` are `Unpin`.
///
/// With the feature `conformance`, the module `replay::conformance` tests a store against this contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a replay store",
    note = "use an `Arc<MemoryStore>`, or implement `ReplayStore` and test it with `replay::conformance`"
)]
pub trait ReplayStore: Send + Sync + 'static {
    /// The future of [`claim`](Self::claim).
    type Claiming: Future<Output = Result<Claim, StoreError>> + Send + Unpin + 'static;
    /// The future of [`confirm`](Self::confirm).
    type Confirming: Future<Output = Result<Settled, StoreError>> + Send + Unpin + 'static;

    /// Claims a key for the duration of `lease`, starting at `now`. After an error, the caller has nothing to release.
    /// If the response was lost, the claim ends when the lease expires.
    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Self::Claiming;

    /// Settles a claim after the message was handled successfully.
    ///
    /// A claim whose lease has expired is still confirmed if no other claim holds the key. After an error, the message
    /// may be handled again.
    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Self::Confirming;

    /// Settles a claim without success. It is also called from `drop`, so it must not block. A store that has to wait
    /// must do so in the background.
    fn release(&self, token: ClaimToken);

    /// How long a confirmed key stays [`Done`](Claim::Done). Default: `None`, which means unknown.
    ///
    /// It must be at least [`Verifier::longest_life`](crate::Verifier::longest_life). Otherwise a request can be replayed
    /// after the store has forgotten its id.
    fn retain(&self) -> Option<Duration> {
        None
    }
}

impl<S: ReplayStore> ReplayStore for Arc<S> {
    type Claiming = S::Claiming;
    type Confirming = S::Confirming;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> S::Claiming {
        S::claim(self, key, lease, now)
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> S::Confirming {
        S::confirm(self, token, now)
    }

    fn release(&self, token: ClaimToken) {
        S::release(self, token);
    }

    fn retain(&self) -> Option<Duration> {
        S::retain(self)
    }
}

/// Identifies a message in a replay store: its source and its signed message id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplayKey {
    source: SharedSource,
    message_id: MessageId,
}

impl ReplayKey {
    /// The maximum length of both parts together, in bytes.
    pub const MAX_LEN: usize = MAX_SOURCE_LEN + MessageId::MAX_LEN;

    /// Parses the name of a source and the id of one of its messages.
    pub fn parse(source: &str, message_id: &str) -> Result<Self, ReplayKeyError> {
        if !is_source_name(source) {
            return Err(ReplayKeyError::Source);
        }
        let message_id = MessageId::parse(message_id).map_err(ReplayKeyError::MessageId)?;
        Ok(Self { source: source.into(), message_id })
    }

    pub(crate) fn new(source: SharedSource, message_id: MessageId) -> Self {
        Self { source, message_id }
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The message id.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// The same key, for an owner that keeps it longer than its request. The id of a verified message is a part of the
    /// memory of the request, which would otherwise be kept too.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { message_id: self.message_id.apart(), ..self }
    }
}

/// The result of a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// The message is new. Handle it, then settle the claim with this token.
    Fresh(ClaimToken),
    /// Another claim holds the key. The sender should retry later.
    InFlight,
    /// The message was handled successfully.
    Done,
}

/// The right to settle a claim once.
#[derive(Debug)]
#[must_use = "an unsettled claim blocks its message until the lease expires"]
pub struct ClaimToken {
    pub(super) key: ReplayKey,
    pub(super) number: u64,
    /// The hash of the key, if the memory store created the token.
    pub(super) hash: Option<u64>,
}

impl PartialEq for ClaimToken {
    fn eq(&self, other: &Self) -> bool {
        (&self.key, self.number) == (&other.key, other.number)
    }
}

impl Eq for ClaimToken {}

impl ClaimToken {
    /// Creates a token for a claim, for stores. No other claim on `key` may ever have the same number.
    pub fn new(key: ReplayKey, number: u64) -> Self {
        Self { key, number, hash: None }
    }

    /// The claimed key.
    pub fn key(&self) -> &ReplayKey {
        &self.key
    }

    /// The number that distinguishes this claim from older claims on the same key.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// The result of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The key is now done.
    Recorded,
    /// The lease had expired and another claim holds or has confirmed the key. Nothing changed.
    Superseded,
}

/// A source name or a message id is not valid in a [`ReplayKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayKeyError {
    /// The name of the source is not 1 to 64 visible ASCII characters.
    Source,
    /// The message id is invalid.
    MessageId(MessageIdError),
}

impl fmt::Display for ReplayKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => write!(f, "the source name must be 1 to {MAX_SOURCE_LEN} visible ASCII characters"),
            Self::MessageId(error) => error.fmt(f),
        }
    }
}

impl Error for ReplayKeyError {}

/// A store operation failed.
///
/// Two errors are equal if their [kinds](Self::kind) are equal.
///
/// ```
/// use std::error::Error;
/// use std::io;
///
/// use countersign::replay::{StoreError, StoreErrorKind};
///
/// let error = StoreError::unavailable(io::Error::from(io::ErrorKind::ConnectionRefused));
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// assert_eq!(error.source().map(|cause| cause.to_string()), Some("connection refused".to_owned()));
/// ```
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure a [`StoreError`] is. It decides how the request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store is full. It does not forget an id early, because that would let a replay through.
    Full,
    /// The store cannot be reached, or it failed.
    Unavailable,
    /// The store did not respond in time.
    TimedOut,
}

impl StoreError {
    /// The store is full.
    pub const fn full() -> Self {
        Self { kind: StoreErrorKind::Full, cause: None }
    }

    /// The store cannot be reached, or it failed. `cause` is the error of the store's client.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: StoreErrorKind::Unavailable, cause: Some(cause.into().into()) }
    }

    /// The store did not respond in time.
    pub const fn timed_out() -> Self {
        Self { kind: StoreErrorKind::TimedOut, cause: None }
    }

    /// What kind of failure this is.
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

/// An error without a cause.
impl From<StoreErrorKind> for StoreError {
    fn from(kind: StoreErrorKind) -> Self {
        Self { kind, cause: None }
    }
}

impl PartialEq for StoreError {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for StoreError {}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the replay store is full",
            Self::Unavailable => "the replay store is unavailable",
            Self::TimedOut => "the replay store did not respond in time",
        })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
