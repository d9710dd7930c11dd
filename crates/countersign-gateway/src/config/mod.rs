//! The configuration: read and checked as a whole before anything listens.
//!
//! It is plain data. Each type says how it is written in TOML (`Deserialize`), and its documentation is the reference
//! (`JsonSchema`). [`State`](crate::state::State) builds everything that runs from it. An error names the line, and never
//! repeats a value that could be a secret.

mod addresses;
mod admin_token;
mod assertion;
mod authorities;
mod balancing;
mod capacity;
mod client_limits;
mod delivery;
mod destination;
mod destination_check;
mod document;
mod duration;
mod error;
mod events;
mod files;
pub(crate) mod hide;
mod inspect;
mod jwks;
mod jwks_proxy;
mod key_path;
mod limits;
mod listen;
mod listen_address;
mod metadata;
mod misread;
mod presets;
mod proxies;
mod public_keys;
mod pull;
mod rate;
mod reconcile;
mod reload;
mod replay;
mod route_check;
mod routes;
mod schema;
mod secrets;
mod sender;
mod server;
mod set_headers;
mod share;
mod size;
mod source;
mod store;
mod store_keep;
mod store_server;
mod stored_value;
mod target;
mod targets;
mod telemetry;
mod tls;
mod token;
mod unknown;
mod upstream;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use countersign::UnixTime;
use countersign::clock::{Clock, SystemClock};
use schemars::JsonSchema;
use serde::Deserialize;

pub use addresses::AddressSpec;
pub use admin_token::AdminTokenSpec;
pub use assertion::AssertionSpec;
pub use authorities::AuthoritiesSpec;
pub use balancing::{BalancingSpec, EjectSpec, HealthCheckSpec, RetrySpec};
pub use capacity::Capacity;
pub use client_limits::ClientLimitsSpec;
pub use delivery::{DeliverySpec, RedeliverySpec};
pub use destination::{DestinationSpec, UnmatchedSpec};
pub(crate) use document::Document;
pub(crate) use error::Problem;
pub use error::{ConfigError, Warning};
pub use events::Events;
pub(crate) use hide::shown;
pub use jwks::JwksSpec;
pub use jwks_proxy::JwksProxySpec;
pub(crate) use key_path::KeyPath;
pub use listen::ListenSpec;
pub use listen_address::ListenAddress;
pub use metadata::TextPattern;
pub use presets::PresetSpec;
pub use proxies::ProxySpec;
pub use public_keys::PublicKeySpec;
pub use pull::PullSpec;
pub use rate::RateSpec;
pub use reconcile::{ApiUrl, ReconcileSpec};
pub use replay::ReplaySpec;
pub use routes::{ProbeSpec, Route, UntypedSpec};
pub use secrets::{EncodingSpec, SecretOrigin, SecretRef};
pub use sender::{DuplicatesSpec, HeadersSpec};
pub use server::Server;
pub use set_headers::{HeaderValueSpec, SetHeaderSpec};
pub use share::Share;
pub use source::SourceConfig;
pub use store::{SqliteSpec, StoreSpec};
pub use store_keep::KeepSpec;
pub use store_server::{CaFile, PostgresSpec, RedisServers, RedisSpec};
pub use target::Target;
pub use telemetry::TelemetrySpec;
pub use tls::{CertificateSpec, TlsSpec};
pub use token::TokenSpec;
pub use upstream::{UpstreamScheme, UpstreamSpec, UpstreamTlsSpec};

/// The configuration of countersign-gateway.
///
/// Durations are written with a unit, such as "10s" or "5m". Sizes are written with a unit, such as "64KiB" or "1 MiB", or
/// as a number of bytes. Unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "countersign-gateway")]
pub struct Config {
    /// The process: its listeners, its threads, and its limits over all routes.
    pub server: Server,
    /// Where message ids are stored, for all sources. Default: in memory.
    #[serde(default)]
    pub store: StoreSpec,
    /// Traces of requests, which are sent to an OpenTelemetry collector. Default: none.
    pub telemetry: Option<TelemetrySpec>,
    /// The signed assertion for backends, on routes with `assertion = true`.
    pub assertion: Option<AssertionSpec>,
    /// The senders, by name. The name is shown in logs, metrics and the header `countersign-source`.
    #[serde(default)]
    pub sources: BTreeMap<String, SourceConfig>,
    /// Where verified requests are forwarded, at least one route. A request without a route gets 404.
    #[serde(default)]
    #[schemars(required, length(min = 1))]
    pub routes: Vec<Route>,
    /// Values that are allowed but probably not meant, in the order of their lines.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
    #[serde(skip)]
    document: Document,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// The secrets that it names are read by [`State::build`](crate::state::State::build).
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not TOML, has an unknown key, or has a value that cannot work.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        Self::parse(Document::new(path, text))
    }

    fn parse(document: Document) -> Result<Self, ConfigError> {
        misread::check_tables(&document).map_err(|problem| document.error(problem))?;
        let config: Self =
            toml::from_str(document.text()).map_err(|error| document.error(misread::problem(&error, &document)))?;
        let mut problems = Vec::new();
        config.check(SystemClock.now(), &mut problems).map_err(|problem| document.error(problem))?;
        let mut warnings: Vec<_> = problems.into_iter().map(|problem| document.warning(problem)).collect();
        warnings.sort_by_key(Warning::line);
        Ok(Self { warnings, document, ..config })
    }

    /// The JSON Schema of the configuration.
    pub fn schema() -> String {
        schema::schema_of::<Self>()
    }

    /// The file that it was read from.
    pub fn file(&self) -> &Path {
        self.document.file()
    }

    /// The file, to find lines in it.
    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// The bytes of request heads and bodies that may be held in memory: `body_budget`, or its default for these routes.
    pub fn body_budget(&self) -> usize {
        self.server.body_budget_for(self.largest_body())
    }

    fn largest_body(&self) -> usize {
        self.routes.iter().map(|route| route.body_limit).max().unwrap_or_default()
    }

    fn check(&self, now: UnixTime, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        for (name, source) in &self.sources {
            source.check(name, now, warnings)?;
        }
        for (position, route) in self.routes.iter().enumerate() {
            let at = KeyPath::route(position);
            route.check(&at, &self.sources, warnings)?;
            route.check_delivery(&at, (&self.store, self.sources.get(&route.source)), warnings)?;
            if self.routes[..position].iter().any(|other| (&other.host, &other.path) == (&route.host, &route.path)) {
                return Err(Problem::at(&at.key("path"), "another route has the same host and path"));
            }
        }
        self.check_destinations(warnings)?;
        let asserting = self.targets().find(|target| target.route.assertion);
        if let Some(assertion) = &self.assertion {
            assertion.check(asserting.is_some(), warnings)?;
        } else if let Some(target) = asserting {
            let message = "`assertion = true` needs the table [assertion] with an `issuer`: add it";
            return Err(Problem::at(&target.at.key("assertion"), message));
        }
        for name in self.sources.keys() {
            if !self.routes.iter().any(|route| route.source == *name) {
                warnings.push(Problem::at(&KeyPath::source(name), format!("no route uses the source `{name}`")));
            }
        }
        if self.routes.is_empty() {
            return Err(Problem::whole("there is no [[routes]]: every request would get 404"));
        }
        self.server.check(self.largest_body(), warnings)?;
        self.check_loops()
    }

    /// No backend may be the gateway itself.
    fn check_loops(&self) -> Result<(), Problem> {
        let admin = self.server.admin.map(|spec| spec.address);
        let listen: Vec<_> = self.server.listen.iter().map(|spec| spec.address.clone()).collect();
        let own: Vec<_> = self.server.ip_listeners().into_iter().map(|(_, own)| own).chain(admin).collect();
        for Target { at, route, .. } in self.targets() {
            for (entry, upstream) in route.upstream.iter().enumerate() {
                let own = match &upstream.socket {
                    Some(path) => {
                        listen.iter().find(|own| matches!(own, ListenAddress::Unix(own) if own == path)).cloned()
                    }
                    None => addresses::loops_back(&upstream.authority, upstream.port(), &own).map(ListenAddress::Ip),
                };
                if let Some(own) = own {
                    let message =
                        format!("the upstream is the gateway itself, which listens on {own}: name the backend");
                    return Err(Problem::at(&at.key("upstream").entry(entry), message));
                }
            }
        }
        Ok(())
    }
}
