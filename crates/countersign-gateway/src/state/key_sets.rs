//! The key sets of a configuration, each built once.

use std::path::{Path, PathBuf};

use countersign::clock::SystemClock;
use countersign_jwks::http::Proxy;
use countersign_jwks::{self as jwks, HttpFetch, Jwks};
use zeroize::Zeroizing;

use super::secrets;
use crate::config::{JwksProxySpec, JwksSpec, KeyPath, Problem, hide};
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
    ca: Option<Vec<u8>>,
    /// The URL of the proxy, if it is stored elsewhere.
    proxy: Option<Zeroizing<String>>,
    set: RemoteSet,
}

/// The proxy of a key set.
#[derive(Default)]
struct Through {
    proxy: Option<Proxy>,
    /// Its URL, if that is stored elsewhere.
    stored: Option<Zeroizing<String>>,
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
        let problem = |message: String| Problem::at_first([at.key("ca"), at.clone()], message);
        let ca = self.ca(spec).map_err(|(message, shown)| problem(message).showing(shown))?;
        let Through { proxy, stored } = self.through(&at, spec)?;
        let is_same = |known: &&Known| {
            let same_spec = known.spec.max_stale == spec.max_stale && known.spec.proxy == spec.proxy;
            same_spec && known.ca == ca && known.proxy == stored
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
            let fetch = match &ca {
                None => HttpFetch::new(spec.url.clone()),
                Some(pem) => HttpFetch::with_ca(spec.url.clone(), pem)
                    .map_err(|error| problem(format!("`ca` holds no certificate authority in PEM: {error}")))?,
            };
            Jwks::new(fetch.proxy(proxy), jwks::Config::default().max_stale(spec.max_stale), SystemClock)
        };
        self.known.push(Known { spec: spec.clone(), ca, proxy: stored, set: set.clone() });
        Ok(set)
    }

    /// Reads the certificates. An error has the reason, and the path in a form that may be shown.
    fn ca(&self, spec: &JwksSpec) -> Result<Option<Vec<u8>>, (String, String)> {
        let Some(path) = &spec.ca else { return Ok(None) };
        std::fs::read(self.folder.join(path)).map(Some).map_err(|error| {
            let shown = self.folder.join(hide::path(&path.to_string_lossy(), &self.folder)).display().to_string();
            (format!("`ca`: {shown} cannot be read: {error}"), shown)
        })
    }

    /// Reads the proxy through which the set is fetched.
    fn through(&self, at: &KeyPath, spec: &JwksSpec) -> Result<Through, Problem> {
        let problem = |message: String| Problem::at_first([at.key("proxy"), at.clone()], format!("`proxy`: {message}"));
        match &spec.proxy {
            None => Ok(Through::default()),
            Some(JwksProxySpec::Url(url)) => {
                let proxy = Proxy::parse(url).map_err(|error| problem(error.to_string()))?;
                Ok(Through { proxy: Some(proxy), stored: None })
            }
            Some(JwksProxySpec::Environment) => {
                let proxy = Proxy::from_env();
                let proxy = proxy.map_err(|error| problem(format!("`HTTPS_PROXY` in the environment: {error}")))?;
                Ok(Through { proxy, stored: None })
            }
            Some(JwksProxySpec::Stored(origin)) => {
                let read = secrets::read_text(origin, &self.folder);
                let (found, text) = read.map_err(|(message, shown)| problem(message).showing(shown))?;
                let proxy = Proxy::parse(&text);
                let proxy = proxy.map_err(|error| problem(format!("{found}: {error}")).showing(found))?;
                Ok(Through { proxy: Some(proxy), stored: Some(text) })
            }
        }
    }

    /// Returns all key sets, each once.
    pub(super) fn all(&self) -> Vec<RemoteSet> {
        self.known.iter().map(|known| known.set.clone()).collect()
    }
}
