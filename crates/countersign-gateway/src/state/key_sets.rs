//! The key sets that a configuration names, each built once.

use std::path::Path;

use countersign::clock::SystemClock;
use countersign_jwks::{self as jwks, HttpFetch, Jwks};
use toml::Spanned;

use crate::config::{JwksSpec, Problem, hide};
use crate::source_keys::RemoteSet;

/// The key sets that were built so far. Sources with the same URL share one.
pub(super) struct KeySets<'f> {
    folder: &'f Path,
    known: Vec<Known>,
}

struct Known {
    spec: JwksSpec,
    ca: Option<Vec<u8>>,
    set: RemoteSet,
}

impl<'f> KeySets<'f> {
    /// None yet. Certificates are read relative to `folder`.
    pub(super) fn new(folder: &'f Path) -> Self {
        Self { folder, known: Vec::new() }
    }

    /// The key set with this specification. Nothing is fetched yet.
    pub(super) fn of(&mut self, entry: &Spanned<JwksSpec>) -> Result<RemoteSet, Problem> {
        let problem = |message: String| Problem::at(entry.span(), message);
        let spec = entry.get_ref();
        let ca = self.ca(entry)?;
        if let Some(known) = self.known.iter().find(|known| known.spec.url == spec.url) {
            return if known.spec.max_stale == spec.max_stale && known.ca == ca {
                Ok(known.set.clone())
            } else {
                Err(problem(
                    "another source names the same URL with another `max_stale` or `ca`: they share one key set, \
                     so write the same in both"
                        .into(),
                ))
            };
        }
        let fetch = match &ca {
            None => HttpFetch::new(spec.url.clone()),
            Some(pem) => HttpFetch::with_ca(spec.url.clone(), pem)
                .map_err(|error| problem(format!("`ca` holds no certificate authority in PEM: {error}")))?,
        };
        let set = Jwks::new(fetch, jwks::Config::default().max_stale(spec.max_stale), SystemClock);
        self.known.push(Known { spec: spec.clone(), ca, set: set.clone() });
        Ok(set)
    }

    fn ca(&self, entry: &Spanned<JwksSpec>) -> Result<Option<Vec<u8>>, Problem> {
        let Some(path) = &entry.get_ref().ca else { return Ok(None) };
        std::fs::read(self.folder.join(path)).map(Some).map_err(|error| {
            let shown = self.folder.join(hide::path(&path.to_string_lossy(), self.folder)).display().to_string();
            Problem::at(entry.span(), format!("`ca`: {shown} cannot be read: {error}")).showing(shown)
        })
    }

    /// All of them, each once.
    pub(super) fn into_sets(self) -> Vec<RemoteSet> {
        self.known.into_iter().map(|known| known.set).collect()
    }
}
