//! The key sets of a configuration, each built once.

use std::path::{Path, PathBuf};

use countersign::clock::SystemClock;
use countersign_client::{CaBundle, Proxy};
use countersign_jwks::{self as jwks, HttpFetch, Jwks, JwksUrl};

use super::outgoing::Outgoing;
use crate::config::{JwksSpec, KeyPath, Problem};
use crate::source_keys::RemoteSet;

/// The key sets of all sources. Sources with the same URL share one.
pub(super) struct KeySets {
    folder: PathBuf,
    known: Vec<Known>,
    /// The key sets of the previous state.
    kept: Vec<Known>,
}

#[derive(Clone)]
struct Known {
    spec: JwksSpec,
    outgoing: Outgoing,
    set: RemoteSet,
}

/// Where a key set is published, and how the gateway gets there.
#[derive(Clone)]
pub struct Publisher {
    /// The URL of the key set.
    pub url: JwksUrl,
    /// The authorities that are trusted, unless it is the public ones.
    pub ca: Option<CaBundle>,
    /// The proxy, if there is one.
    pub proxy: Option<Proxy>,
}

impl Publisher {
    fn new(spec: &JwksSpec, outgoing: &Outgoing) -> Self {
        Self { url: spec.url.clone(), ca: outgoing.ca.clone(), proxy: outgoing.proxy.clone() }
    }

    /// Fetches its document.
    pub fn fetch(&self) -> HttpFetch {
        let fetch = HttpFetch::new(self.url.clone()).proxy(self.proxy.clone());
        match &self.ca {
            Some(ca) => fetch.ca(ca.clone()),
            None => fetch,
        }
    }
}

impl KeySets {
    /// Starts empty. Certificate paths are relative to `folder`. Unchanged sets of the previous state continue.
    pub(super) fn new(folder: &Path, previous: Option<&Self>) -> Self {
        let kept = previous.map(|previous| previous.known.clone()).unwrap_or_default();
        Self { folder: folder.into(), known: Vec::new(), kept }
    }

    /// Returns the key set of this source. Nothing is fetched yet.
    pub(super) fn of(&mut self, source: &str, spec: &JwksSpec) -> Result<RemoteSet, Problem> {
        let at = KeyPath::source(source).key("jwks");
        let outgoing = Outgoing::read(spec.ca.as_ref(), spec.proxy.as_ref(), &at, &self.folder)?;
        let is_same = |known: &&Known| {
            let same_spec = known.spec.max_stale == spec.max_stale && known.spec.proxy == spec.proxy;
            same_spec && known.outgoing.read_the_same(&outgoing)
        };
        if let Some(known) = self.known.iter().find(|known| known.spec.url == spec.url) {
            return Some(known).filter(is_same).map(|known| known.set.clone()).ok_or_else(|| {
                let message = "another source names the same URL with another `max_stale`, `ca` or `proxy`: they share one \
                               key set, so write the same in both";
                Problem::at(&at, message)
            });
        }
        let mut kept = self.kept.iter().filter(|known| known.spec.url == spec.url);
        let set = if let Some(known) = kept.find(is_same) {
            known.set.clone()
        } else {
            let fetch = Publisher::new(spec, &outgoing).fetch();
            Jwks::new(fetch, jwks::Config::default().max_stale(spec.max_stale), SystemClock)
        };
        self.known.push(Known { spec: spec.clone(), outgoing, set: set.clone() });
        Ok(set)
    }

    /// Returns the publishers of all key sets, each once.
    pub(super) fn publishers(&self) -> Vec<Publisher> {
        self.known.iter().map(|known| Publisher::new(&known.spec, &known.outgoing)).collect()
    }

    /// Returns all key sets, each once.
    pub(super) fn all(&self) -> Vec<RemoteSet> {
        self.known.iter().map(|known| known.set.clone()).collect()
    }
}
