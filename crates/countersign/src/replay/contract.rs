//! The contract of replay stores.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::ClockReading;
use crate::message_id::{MessageId, MessageIdError};
use crate::name::{MAX_SOURCE_LEN, SharedSource, is_source_name};

/// Remembers which deliveries were handled.
///
/// # What an implementation must guarantee
///
/// Each of these, broken, is a lost or a doubled delivery:
///
/// - Of all claims on one key that run at the same time, at most one is [`Fresh`](Claim::Fresh),
///   also across processes if the store is shared by several.
/// - A confirmed key stays [`Done`](Claim::Done) for as long as the store retains ids, at least as
///   long as the sender retries. It is never forgotten to make room: a full store rejects new claims
///   with [`StoreError::Full`].
/// - A release makes the key claimable again at once. If a release is lost, the lease frees the key.
/// - A claim whose lease ran out changes nothing when it settles late, once another claim holds the
///   key or has confirmed it. The token's number tells the two claims apart, so it is never used
///   again for the same key, also after the key was released or forgotten.
/// - Leases and retention are measured with a clock that nobody sets. A wall clock that jumps
///   neither forgets a key nor frees a claim. See [below](#time).
/// - Dropping the future of a claim or a confirmation before it is ready must not leave the store
///   half changed. A confirmation is carried out from the moment that it is called, also if its
///   future is dropped: a lost confirmation is a delivery that is handled twice.
/// - Sources do not mix: the same message id of two sources is two keys.
///
/// Claims are made after verification, so only a holder of a key can fill a store.
///
/// # Time
///
/// The caller passes one reading of its clock, the same clock for all calls.
///
/// - A store within the process measures with [`ClockReading::monotonic`] and ignores the time of day.
/// - A store that several processes share measures with its own clock, that of its server: the clocks
///   of its clients differ.
/// - A store on disk needs the time of day to know after a restart how long the process was down. It
///   uses [`ClockReading::wall`] for that alone.
///
/// # Futures
///
/// Both futures are [`Unpin`], so that a caller that gives up (its sender disconnected) can move the
/// future elsewhere, learn the token of a late claim, and release it. [`std::future::Ready`] and
/// `Pin<Box<dyn Future<…> + Send>>` are.
///
/// With the feature `conformance`, the module `replay::conformance` checks a store against all of this.
pub trait ReplayStore: Send + Sync + 'static {
    /// The future of [`claim`](Self::claim).
    type Claiming: Future<Output = Result<Claim, StoreError>> + Send + Unpin + 'static;
    /// The future of [`confirm`](Self::confirm).
    type Confirming: Future<Output = Result<Settled, StoreError>> + Send + Unpin + 'static;

    /// Claims a key for the time of `lease`, from `now` on. An error claims nothing that a caller
    /// would have to release: what a lost response left behind, the lease frees.
    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Self::Claiming;

    /// Settles a claim whose delivery was handled with success.
    ///
    /// A claim whose lease ran out is confirmed all the same if nobody holds the key by then: the
    /// delivery was handled. After an error the delivery may be handled again.
    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Self::Confirming;

    /// Settles a claim whose delivery was not handled. It is called from `drop` too, so it must not
    /// block: a store that has to wait does so elsewhere.
    fn release(&self, token: ClaimToken);

    /// How long a confirmed key stays [`Done`](Claim::Done). Default: `None`, for a store that does not know.
    ///
    /// It has to cover [`Verifier::longest_life`](crate::Verifier::longest_life): a request that outlives the
    /// memory of its id can be replayed.
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

/// What a delivery is known by: its source, and its message id as signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplayKey {
    source: SharedSource,
    message_id: MessageId,
}

impl ReplayKey {
    /// The longest key, in bytes of both parts together.
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

    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The message's id.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }
}

/// The answer to a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has handled it and nobody is handling it: go on, then settle with the token.
    Fresh(ClaimToken),
    /// It is being handled right now: whoever sent it should come back.
    InFlight,
    /// It was handled with success.
    Done,
}

/// The right to settle one claim, once.
#[derive(Debug)]
#[must_use = "a claim that is not settled blocks its delivery until the lease runs out"]
pub struct ClaimToken {
    pub(super) key: ReplayKey,
    pub(super) number: u64,
    /// That of the key, if the memory store made the token.
    pub(super) hash: Option<u64>,
}

impl PartialEq for ClaimToken {
    fn eq(&self, other: &Self) -> bool {
        (&self.key, self.number) == (&other.key, other.number)
    }
}

impl Eq for ClaimToken {}

impl ClaimToken {
    /// A token for a claim on `key` that no other claim on it has the number of. For stores.
    pub fn new(key: ReplayKey, number: u64) -> Self {
        Self { key, number, hash: None }
    }

    /// What was claimed.
    pub fn key(&self) -> &ReplayKey {
        &self.key
    }

    /// The number that fences off an older claim on the same key.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// What became of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The key is done from now on.
    Recorded,
    /// The lease had run out and the key belongs to another claim: nothing was changed.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The store is full, and it does not forget an id early, because that would let a replay through.
    Full,
    /// The store cannot be reached.
    Unavailable,
    /// The store did not respond in time.
    TimedOut,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the replay store is full",
            Self::Unavailable => "the replay store cannot be reached",
            Self::TimedOut => "the replay store did not respond in time",
        })
    }
}

impl Error for StoreError {}
