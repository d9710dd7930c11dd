//! Whom a source trusts: keys that stand, or a key set that is kept up to date.

use std::future::Ready;
use std::pin::Pin;
use std::task::{Context, Poll};

use countersign::Verifier;
use countersign::key_source::{KeySource, Refreshed};
use countersign_jwks::{HttpFetch, Jwks, RemoteKeys, State, remote};

/// A key set that is fetched; a clone shares it.
pub type RemoteSet = Jwks<HttpFetch>;

/// The keys of a source.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Secrets and pinned public keys only.
    Fixed(Verifier),
    /// These, and those of a key set.
    Remote(RemoteKeys<HttpFetch>),
}

impl Keys {
    /// The key set, if there is one.
    pub fn remote_set(&self) -> Option<&RemoteSet> {
        match self {
            Self::Fixed(_) => None,
            Self::Remote(keys) => Some(keys.jwks()),
        }
    }
}

impl KeySource for Keys {
    type Refreshing = Refreshing;

    fn verifier(&self) -> Verifier {
        match self {
            Self::Fixed(verifier) => verifier.clone(),
            Self::Remote(keys) => keys.verifier(),
        }
    }

    fn refresh(&self, tried: &Verifier) -> Refreshing {
        match self {
            Self::Fixed(verifier) => Refreshing::Fixed(verifier.refresh(tried)),
            Self::Remote(keys) => Refreshing::Remote(keys.refresh(tried)),
        }
    }
}

/// What comes of looking for newer keys; see [`Keys`].
#[derive(Debug)]
#[must_use = "nothing comes of it unless it is awaited"]
pub enum Refreshing {
    /// Keys that stand have nothing newer.
    Fixed(Ready<Refreshed>),
    /// Those of a key set may have.
    Remote(remote::Refreshing),
}

impl Future for Refreshing {
    type Output = Refreshed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Refreshed> {
        match &mut *self {
            Self::Fixed(refreshing) => Pin::new(refreshing).poll(cx),
            Self::Remote(refreshing) => Pin::new(refreshing).poll(cx),
        }
    }
}

/// A source that can verify nothing before its key set is there.
#[derive(Debug)]
pub struct Awaited {
    source: String,
    set: RemoteSet,
}

impl Awaited {
    /// The source of this name, which has nothing but this key set.
    pub fn new(source: &str, set: &RemoteSet) -> Self {
        Self { source: source.into(), set: set.clone() }
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the keys came at last. A set that is too old stays one that came: that its source is
    /// refused is no reason to stop the others.
    pub fn has_come(&self) -> bool {
        self.set.stats().state != State::Empty
    }
}
