//! The parts of the gateway that can be built without an effect on anything: `--check` and `--doctor` start here.

use std::sync::Arc;

use super::Parts;
use super::key_sets::Publisher;
use super::routes::{self, Read};
use super::store::Engine;
use crate::config::{Config, ConfigError, Warning};
use crate::upstream::{UpstreamCounts, Upstreams};

/// What a start would build and read, without the store.
pub struct Rehearsal {
    /// Warnings about secrets and certificates.
    pub warnings: Vec<Warning>,
    /// The upstreams of all routes, each once.
    pub upstreams: Vec<Arc<Upstreams>>,
    /// The publishers of the key sets, each once.
    pub publishers: Vec<Publisher>,
}

impl Rehearsal {
    /// Reads the secrets and certificates that `config` names, like [`State::build`](super::State::build).
    ///
    /// # Errors
    ///
    /// A secret, certificate or key cannot be used.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let document = config.document();
        Engine::check(&config.store, document.folder()).map_err(|problem| document.error(problem))?;
        let Parts { headers, upstream_tls, pull_tokens, sources, sets, issuer, warnings, .. } =
            Parts::build(config, None, Engine::default())?;
        let read = Read { headers, upstream_tls, pull_tokens };
        let (_, balanced) = routes::build(config, &sources, read, issuer.as_ref(), &[], &UpstreamCounts::default())
            .map_err(|problem| document.error(problem))?;
        let upstreams = balanced.into_iter().map(|(_, upstreams)| upstreams).collect();
        Ok(Self { warnings, upstreams, publishers: sets.publishers() })
    }
}
