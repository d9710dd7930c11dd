//! A publisher that does what a test tells it to, in the time of a runtime.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::Clock;
use countersign_jwks::{Document, Fetch, FetchError};
use tokio::time::sleep;

use super::{SIGNED, document};

/// A publisher that the test controls.
#[derive(Clone, Default)]
pub(crate) struct Source(Arc<Told>, &'static str);

#[derive(Default)]
struct Told {
    keys: Mutex<Vec<u8>>,
    text: Mutex<Option<String>>,
    takes: Mutex<Duration>,
    fetches: AtomicU64,
}

impl Source {
    /// A publisher whose lines in the log can be told from those of other tests.
    pub(crate) fn named(name: &'static str) -> Self {
        Self(Arc::default(), name)
    }

    pub(crate) fn with(keys: &[u8]) -> Self {
        let source = Self::default();
        source.publish(keys);
        source
    }

    /// Publishes these keys; is down if there are none, and panics if the first is 255.
    pub(crate) fn publish(&self, keys: &[u8]) {
        *self.0.keys.lock().unwrap() = keys.to_vec();
    }

    /// Publishes this text, whatever keys it has.
    pub(crate) fn publish_text(&self, text: &str) {
        *self.0.text.lock().unwrap() = Some(text.to_owned());
    }

    pub(crate) fn takes(&self, takes: Duration) {
        *self.0.takes.lock().unwrap() = takes;
    }

    pub(crate) fn fetches(&self) -> u64 {
        self.0.fetches.load(Ordering::SeqCst)
    }
}

impl Fetch for Source {
    async fn fetch(&self) -> Result<Document, FetchError> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        let takes = *self.0.takes.lock().unwrap();
        sleep(takes).await;
        if let Some(text) = self.0.text.lock().unwrap().clone() {
            return Ok(Document { body: text.into(), max_age: None });
        }
        let keys = self.0.keys.lock().unwrap().clone();
        match keys[..] {
            [] => Err(FetchError::Status(500)),
            [255, ..] => panic!("as it was told to"),
            _ => Ok(document(&keys)),
        }
    }

    fn location(&self) -> Cow<'_, str> {
        self.1.into()
    }
}

/// The time of the runtime, which tests pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeClock;

impl Clock for RuntimeClock {
    fn now(&self) -> UnixTime {
        SIGNED
    }

    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    fn instant(&self) -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }
}
