//! Keys that the service replaces while it runs.

use std::future::{Ready, ready};
use std::sync::{PoisonError, RwLock};

use super::contract::{KeySource, Refreshed};
use crate::verifier::Verifier;

/// A verifier that can be replaced at run time, for example when the configuration is reloaded.
///
/// Share it in an `Arc`: the layer keeps one clone, and the code that reloads the other. Requests that arrive after
/// [`replace`](Self::replace) has returned are verified with the new verifier.
///
/// Keep the name of the source. It is part of each [`ReplayKey`](crate::replay::ReplayKey), so under another name the
/// replay store knows none of the messages that were handled before.
///
/// ```
/// use std::sync::Arc;
///
/// use countersign::key_source::SwapKeys;
/// use countersign::{Secret, Verifier};
///
/// # let (old, new) = ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
/// let (old, new) = (Secret::parse(old)?, Secret::parse(new)?);
/// let keys = Arc::new(SwapKeys::new(Verifier::builder("gemini").secret(old.clone()).build()?));
///
/// // Later, while requests are being verified:
/// keys.replace(Verifier::builder("gemini").secrets([new, old]).build()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SwapKeys(RwLock<Verifier>);

impl SwapKeys {
    /// Starts with this verifier.
    pub fn new(verifier: Verifier) -> Self {
        Self(RwLock::new(verifier))
    }

    /// Replaces the verifier, and returns the one that was used until now.
    pub fn replace(&self, verifier: Verifier) -> Verifier {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), verifier)
    }
}

impl KeySource for SwapKeys {
    type Refreshing = Ready<Refreshed>;

    fn verifier(&self) -> Verifier {
        // Held for the clone of an `Arc`, so readers do not wait for each other.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds newer keys if they were replaced while the request was being verified.
    fn refresh(&self, tried: &Verifier) -> Self::Refreshing {
        let current = self.verifier();
        ready(if current.is(tried) { Refreshed::Unchanged } else { Refreshed::Newer(current) })
    }
}
