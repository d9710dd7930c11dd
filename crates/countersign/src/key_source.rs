//! Keys that change while the process runs: where a layer gets its verifier from.

use std::future::{Ready, ready};

use crate::verifier::Verifier;

/// Gives the verifier of the moment, and a newer one when its keys did not suffice.
///
/// An implementation decides how often it looks for new keys. Forged deliveries ask for them as often
/// as they like: one that fetches each time lets a stranger drive it.
pub trait KeySource: Send + Sync + 'static {
    /// The answer to come of [`refresh`](Self::refresh).
    type Refreshing: Future<Output = Refreshed> + Send;

    /// The verifier with the keys that are known now.
    fn verifier(&self) -> Verifier;

    /// Called when a key that `tried` does not have could have made the difference
    /// ([`Rejection::wants_public_key`](crate::Rejection::wants_public_key)).
    fn refresh(&self, tried: &Verifier) -> Self::Refreshing;
}

/// What came of looking for newer keys.
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// There are newer ones: try again with these.
    Newer(Verifier),
    /// There are none: the rejection stands.
    Unchanged,
    /// Nobody knows: the keys are out of reach, and those at hand, if any, are too old to be the last
    /// word.
    Unavailable,
}

impl KeySource for Verifier {
    type Refreshing = Ready<Refreshed>;

    fn verifier(&self) -> Verifier {
        self.clone()
    }

    fn refresh(&self, _: &Verifier) -> Self::Refreshing {
        ready(Refreshed::Unchanged)
    }
}

impl<K: KeySource> KeySource for std::sync::Arc<K> {
    type Refreshing = K::Refreshing;

    fn verifier(&self) -> Verifier {
        K::verifier(self)
    }

    fn refresh(&self, tried: &Verifier) -> K::Refreshing {
        K::refresh(self, tried)
    }
}
