//! The running parts of the gateway, built by name from its configuration: sources with their keys and stores, upstreams,
//! budget and metrics.

mod assertion;
mod certificates;
pub mod expiry;
mod key_sets;
mod outgoing;
mod pem_file;
mod reconcilers;
mod rehearsal;
mod routes;
mod secrets;
pub mod source;
pub mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use countersign::clock::{Clock, SystemClock};
use countersign_inbox::Keep;
use countersign_inbox::worker::SharedInbox;
use countersign_tower::BodyBudget;
use http::{HeaderName, HeaderValue};

use crate::admin_token::AdminToken;
use crate::assertion::{Issuer, Published};
use crate::client_limit::ClientLimit;
use crate::config::{
    Config, ConfigError, HeaderValueSpec, KeyPath, Problem, Route, SetHeaderSpec, Target, TelemetrySpec, Warning,
};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::proxies::TrustedProxies;
use crate::reconcile::Reconciler;
use crate::serve::{Slots, Tls};
use crate::source_keys::RemoteSet;
use crate::telemetry::Telemetry;
use crate::trust::SetHeaders;
use crate::upstream::{UpstreamTls, Upstreams};
use expiry::Expiry;
use key_sets::KeySets;
pub use key_sets::Publisher;
use outgoing::Outgoing;
pub use rehearsal::Rehearsal;
use routes::Balanced;
pub use routes::{LiveRoute, LiveTarget};
use secrets::Secrets;
use source::Source;
use store::Engine;

/// The running parts of the gateway.
pub struct State {
    /// The sources, by name.
    pub sources: BTreeMap<String, Arc<Source>>,
    /// The routes, in the order of the configuration, each with its source and its upstreams.
    pub routes: Vec<LiveRoute>,
    /// The key sets of the sources, each once.
    pub key_sets: Vec<RemoteSet>,
    /// The proxies in front of the gateway.
    pub trusted_proxies: TrustedProxies,
    /// The limit on rejected requests of each client, if there is one.
    pub client_limit: Option<Arc<ClientLimit>>,
    /// Bounds the bytes of request heads and bodies in memory, over all routes.
    pub budget: BodyBudget,
    /// Everything that `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// TLS of the listeners for webhooks, in the order of the configuration. `None` for those in plain text.
    pub tls: Vec<Option<Arc<Tls>>>,
    /// TLS of the listener for pulled destinations, if it has any.
    pub pull_tls: Option<Arc<Tls>>,
    /// The inbox in the store, if it has one.
    pub inbox: Option<SharedInbox>,
    /// How long it keeps ended deliveries.
    pub keep: Keep,
    /// What a client has to know to send commands.
    pub admin_token: Option<AdminToken>,
    /// When the certificates expire that listeners and upstreams get, each file once.
    pub expiries: Vec<Expiry>,
    /// Warnings about secrets and certificates.
    pub warnings: Vec<Warning>,
    /// The store that all sources share.
    pub engine: Engine,
    /// Where traces are sent, if anywhere. A running process keeps the one that it started with.
    pub telemetry: Option<Telemetry>,
    /// The public keys that verify assertions.
    pub published: Published,
    issuer: Option<Arc<Issuer>>,
    sets: KeySets,
    balanced: Vec<Balanced>,
    reconcilers: Vec<reconcilers::Known>,
}

/// The parts of the process that the state uses.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The connections of the webhook listeners.
    pub slots: &'a Arc<Slots>,
    /// The log.
    pub log: &'a Log,
    /// The clock of what looks for missing jobs.
    pub clock: &'a Arc<dyn Clock>,
}

impl State {
    /// Reads the secrets and certificates that `config` names, and builds everything that runs. Nothing is fetched yet.
    ///
    /// Everything that is unchanged since the `previous` state continues: stores keep their ids, key sets their keys,
    /// upstreams their health, and metrics their counts.
    ///
    /// # Errors
    ///
    /// A secret, certificate or key cannot be used, or a route names a source that does not exist.
    pub fn build(
        config: &Config,
        previous: Option<&Self>,
        surroundings: Surroundings<'_>,
    ) -> Result<Self, ConfigError> {
        let Parts {
            headers,
            accesses,
            upstream_tls,
            pull_tokens,
            pull_tls,
            engine,
            sources,
            sets,
            tls,
            expiries,
            admin_token,
            telemetry,
            issuer,
            warnings,
        } = {
            let document = config.document();
            let opened = || Engine::open(&config.store, document.folder()).map_err(|problem| document.error(problem));
            Parts::build(config, previous, previous.map_or_else(opened, |state| Ok(state.engine.clone()))?)?
        };
        if previous.is_none() {
            engine.examine();
        }
        let Surroundings { slots, log, clock } = surroundings;
        let counts = previous.map(|state| state.metrics.counts().clone()).unwrap_or_default();
        let known = previous.map(|state| &state.balanced[..]).unwrap_or_default();
        let read = routes::Read { headers, upstream_tls, pull_tokens };
        let (routes, balanced) = routes::build(config, &sources, read, issuer.as_ref(), known, counts.upstreams())
            .map_err(|problem| config.document().error(problem))?;
        let inbox = match previous {
            // The store is the same. Its workers are woken through this.
            Some(previous) => previous.inbox.clone(),
            None => engine.inbox().map(SharedInbox::new),
        };
        let known = previous.map(|state| &*state.reconcilers).unwrap_or_default();
        let reconcilers = routes
            .iter()
            .zip(accesses)
            .filter_map(|(route, access)| reconcilers::build(route, access?, inbox.as_ref(), known, &counts, clock));
        let reconcilers = reconcilers.collect();
        let limit = config.body_budget();
        let budget = previous.map(|state| state.budget.clone()).filter(|budget| budget.capacity() == limit);
        let budget = budget.unwrap_or_else(|| BodyBudget::new(limit));
        let mut metrics = Metrics::new(&sources, budget.clone(), Arc::clone(slots), counts);
        metrics.show_log(log);
        metrics.show_store(&engine);
        if let Some(inbox) = &inbox {
            metrics.show_inbox(inbox.clone());
        }
        metrics.show_certificates(expiries.clone());
        metrics.show_upstreams(balanced.iter().map(|(_, upstreams)| Arc::clone(upstreams)).collect());
        let key_sets = sets.all();
        let trusted_proxies = config.server.trusted_proxies();
        let client_limit = match previous {
            // It goes on, with what it remembers: a reload does not change it.
            Some(previous) => previous.client_limit.clone(),
            None => config
                .server
                .client_limits
                .rejected()
                .map(|rate| Arc::new(ClientLimit::new(rate, trusted_proxies.clone()))),
        };
        let known = previous.map(|state| state.published.clone()).unwrap_or_default();
        let used = issuer.as_ref().map(|issuer| (issuer.key.public().clone(), issuer.lifetime));
        let published = known.followed_by(used, SystemClock.now());
        Ok(Self {
            sources,
            routes,
            key_sets,
            trusted_proxies,
            client_limit,
            budget,
            keep: config.store.keep(),
            pull_tls,
            inbox,
            metrics: Arc::new(metrics),
            tls,
            expiries,
            admin_token,
            warnings,
            engine,
            reconcilers,
            telemetry,
            published,
            issuer,
            sets,
            balanced,
        })
    }

    /// The upstreams of all routes, each once.
    pub fn upstreams(&self) -> Vec<Arc<Upstreams>> {
        self.balanced.iter().map(|(_, upstreams)| Arc::clone(upstreams)).collect()
    }

    /// What looks for missing jobs, in the order of the routes.
    pub fn reconcilers(&self) -> Vec<Arc<Reconciler>> {
        self.reconcilers.iter().map(|known| Arc::clone(&known.reconciler)).collect()
    }

    /// Gives the certificates that this state has read to the listeners of the `previous` one, which go on.
    pub fn keep_listeners(&mut self, previous: &Self) {
        let pulls = previous.pull_tls.iter().zip(&self.pull_tls);
        pulls.for_each(|(listening, read)| listening.replace(read));
        self.pull_tls.clone_from(&previous.pull_tls);
        for (listening, read) in previous.tls.iter().zip(&self.tls) {
            if let (Some(listening), Some(read)) = (listening, read) {
                listening.replace(read);
            }
        }
        self.tls.clone_from(&previous.tls);
    }
}

/// The parts that are read from files.
struct Parts {
    /// The headers that each target sets, in the order of the targets.
    headers: Vec<SetHeaders>,
    /// How each route that looks for missing jobs asks for them, in the order of the routes.
    accesses: Vec<Option<reconcilers::Access>>,
    engine: Engine,
    /// TLS towards the upstreams of each target, in the order of the targets.
    upstream_tls: Vec<Option<UpstreamTls>>,
    /// The token of each pulled destination, in the order of the configuration.
    pull_tokens: Vec<Option<AdminToken>>,
    pull_tls: Option<Arc<Tls>>,
    sources: BTreeMap<String, Arc<Source>>,
    sets: KeySets,
    tls: Vec<Option<Arc<Tls>>>,
    expiries: Vec<Expiry>,
    admin_token: Option<AdminToken>,
    telemetry: Option<Telemetry>,
    issuer: Option<Arc<Issuer>>,
    warnings: Vec<Warning>,
}

impl Parts {
    fn build(config: &Config, previous: Option<&State>, engine: Engine) -> Result<Self, ConfigError> {
        let (document, mut problems) = (config.document(), Vec::new());
        let mut secrets = Secrets::new(document.folder());
        let mut sets = KeySets::new(document.folder(), previous.map(|state| &state.sets));
        let mut sources = BTreeMap::new();
        // In the order of the file, so that the second of two equal secrets is reported.
        let mut written: Vec<_> = config.sources.iter().collect();
        written.sort_by_key(|(name, _)| document.line(&KeyPath::source(name)));
        for (name, source) in written {
            let kept = previous.and_then(|state| state.sources.get(name));
            let built = Source::build(name, source, kept, &engine, &mut secrets, &mut sets, &mut problems);
            sources.insert(name.clone(), Arc::new(built.map_err(|problem| document.error(problem))?));
        }
        let headers = config.targets().map(|Target { at, route, .. }| {
            set_headers(&route, &at, &secrets).map_err(|problem| document.error(problem))
        });
        let headers = headers.collect::<Result<_, _>>()?;
        let accesses = config.routes.iter().enumerate().map(|(position, route)| {
            let at = KeyPath::route(position).key("reconcile");
            reconcilers::read(route, &at, &secrets, document.folder()).map_err(|problem| document.error(problem))
        });
        let accesses = accesses.collect::<Result<_, _>>()?;
        let token = config.server.admin_token.as_ref().map(|spec| secrets::read_token(spec, document.folder()));
        let admin_token = token.transpose().map_err(|problem| document.error(problem))?;
        let telemetry = config.telemetry.as_ref().map(|spec| telemetry(spec, &secrets, document.folder()));
        let telemetry = telemetry.transpose().map_err(|problem| document.error(problem))?;
        let known = previous.and_then(|state| state.issuer.as_deref());
        let issuer = config.assertion.as_ref().map(|spec| {
            let built = assertion::issuer(spec, known, document.folder(), &mut problems);
            built.map(Arc::new).map_err(|problem| document.error(problem))
        });
        let issuer = issuer.transpose()?;
        let mut expiries = Vec::new();
        let tls = certificates::read(&config.server.listen, document.folder(), &mut expiries);
        let tls = tls.map_err(|problem| document.error(problem))?;
        let upstream_tls = config.targets().map(|Target { at, route, .. }| {
            let tls = certificates::of_upstreams(&route, &at, document.folder(), &mut expiries);
            tls.map_err(|problem| document.error(problem))
        });
        let upstream_tls = upstream_tls.collect::<Result<_, _>>()?;
        let pull_tls = config.server.pull.as_ref().map(|spec| {
            let at = KeyPath::server().key("pull");
            certificates::of_listener(spec, &at, document.folder(), &mut expiries)
                .map_err(|problem| document.error(problem))
        });
        let pull_tls = pull_tls.transpose()?.flatten();
        let mut pull_tokens = Vec::new();
        for (position, route) in config.routes.iter().enumerate() {
            for (entry, destination) in route.destinations.iter().enumerate() {
                let Some(pull) = &destination.pull else { continue };
                let at = KeyPath::route(position).key("destinations").entry(entry).key("pull").key("token");
                let token = pull.token.as_ref().map(|origin| secrets::pull_token(&secrets, origin, &at));
                pull_tokens.push(token.transpose().map_err(|problem| document.error(problem))?);
            }
        }
        let now = SystemClock.now();
        problems.extend(expiries.iter().filter_map(|expiry| expiry.problem(now)));
        let warnings = problems.into_iter().map(|problem| document.warning(problem)).collect();
        Ok(Self {
            headers,
            accesses,
            engine,
            upstream_tls,
            pull_tokens,
            pull_tls,
            sources,
            sets,
            tls,
            expiries,
            admin_token,
            telemetry,
            issuer,
            warnings,
        })
    }
}

/// The headers that this route sets, with the values that are stored elsewhere.
fn set_headers(route: &Route, at: &KeyPath, secrets: &Secrets<'_>) -> Result<SetHeaders, Problem> {
    headers(&route.set_headers, &at.key("set_headers"), secrets).map(SetHeaders::new)
}

/// Where traces are sent, with the headers that are stored elsewhere.
fn telemetry(spec: &TelemetrySpec, secrets: &Secrets<'_>, folder: &Path) -> Result<Telemetry, Problem> {
    let at = KeyPath::telemetry();
    let headers = headers(&spec.headers, &at.key("headers"), secrets)?;
    let Outgoing { ca, proxy, .. } = Outgoing::read(spec.ca.as_ref(), spec.proxy.as_ref(), &at, folder)?;
    Ok(Telemetry {
        url: spec.otlp.clone(),
        headers: headers.into_iter().collect(),
        service_name: spec.service_name().to_owned(),
        sample: spec.sample,
        ca: ca.unwrap_or_default(),
        proxy,
    })
}

fn headers(
    specs: &[SetHeaderSpec],
    at: &KeyPath,
    secrets: &Secrets<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
    let header = |SetHeaderSpec { name, value }: &SetHeaderSpec| {
        let value = match value {
            HeaderValueSpec::Text(value) => value.clone(),
            HeaderValueSpec::Stored(origin) => secrets.read_value(&at.key(name.as_str()), origin)?,
        };
        Ok((name.clone(), value))
    };
    specs.iter().map(header).collect()
}
