//! The configuration: read whole, checked whole, before anything listens.
//!
//! [`file`] is what the operator writes; what is here is what the gateway works with, and cannot be
//! wrong any more. An error names the line, and never repeats a value that could be a secret.

mod capacity;
mod error;
mod file;
mod keys;
mod source;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use countersign::EventFilter;
use countersign_tower::VerifyLayer;
use http::Uri;
use http::uri::{Authority, Scheme};
use toml::Spanned;

pub use capacity::Capacity;
pub use error::ConfigError;
use error::{Place, Problem};
use keys::RemoteSets;
pub use source::Source;

use crate::keys::RemoteSet;
use crate::route::{Host, PathPattern};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the idle timeouts of common servers: gunicorn 2 s, Node.js, uvicorn and Apache 5 s.
const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_millis(1500);

/// What the gateway works with.
#[derive(Debug)]
pub struct Config {
    /// The process and its listeners.
    pub server: Server,
    /// The sources, by name.
    pub sources: BTreeMap<String, Arc<Source>>,
    /// The key sets of the sources, each once.
    pub remote_sets: Vec<RemoteSet>,
    /// The routes, in the order in which they were written.
    pub routes: Vec<Route>,
    /// What is allowed, but deserves a second look.
    pub warnings: Vec<String>,
}

/// The process and its listeners.
#[derive(Debug)]
pub struct Server {
    /// Where webhooks arrive.
    pub listen: Vec<SocketAddr>,
    /// Where health and metrics are.
    pub admin: Option<SocketAddr>,
    /// How many threads serve webhooks.
    pub threads: usize,
    /// The most bytes of bodies that are held at one time, over all routes.
    pub body_budget: usize,
    /// How long requests in flight may take to finish once the process was told to stop.
    pub shutdown_timeout: Duration,
}

/// Where deliveries of a source go.
#[derive(Clone, Debug)]
pub struct Route {
    /// The host that it is for; any, if there is none.
    pub host: Option<Host>,
    /// The paths that it is for.
    pub path: PathPattern,
    /// Who signs.
    pub source: Arc<Source>,
    /// The backends: `http` authorities.
    pub upstream: Vec<Authority>,
    /// The events that are forwarded; all, if there is none.
    pub events: Option<EventFilter>,
    /// The most bytes that a body may have.
    pub body_limit: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a backend may take until the head of its response, and between two parts of its body.
    pub upstream_timeout: Duration,
    /// How long a connection to a backend may be idle before another request uses it.
    pub upstream_idle_timeout: Duration,
    /// How long a backend may take to accept a connection.
    pub connect_timeout: Duration,
}

impl Config {
    /// Reads the file at `path`, and the secrets that it refers to.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        Self::parse(&text, &Place { file: path, text: &text })
    }

    fn parse(text: &str, place: &Place<'_>) -> Result<Self, ConfigError> {
        let file: file::File = toml::from_str(text).map_err(|error| place.error(error.span(), error.message()))?;
        file.resolve(place.file.parent().unwrap_or(Path::new(""))).map_err(|problem| place.problem(problem))
    }
}

impl file::File {
    fn resolve(self, folder: &Path) -> Result<Config, Problem> {
        let mut warnings = Vec::new();
        let (mut sources, mut sets) = (BTreeMap::new(), RemoteSets::new(folder));
        for (name, source) in self.sources {
            let source = source.resolve(&name, folder, &mut sets, &mut warnings)?;
            sources.insert(name.into_inner(), Arc::new(source));
        }
        let mut routes: Vec<Route> = Vec::new();
        for route in self.routes {
            let at = route.path.span();
            let route = route.resolve(&sources)?;
            if routes.iter().any(|other| (&other.host, &other.path) == (&route.host, &route.path)) {
                return Err(Problem::at(at, "another route has the same host and path"));
            }
            routes.push(route);
        }
        for (name, source) in &sources {
            if !routes.iter().any(|route| Arc::ptr_eq(&route.source, source)) {
                warnings.push(format!("no route uses the source `{name}`"));
            }
        }
        if routes.is_empty() {
            return Err(Problem::whole("there is no [[routes]]: every request would be answered 404"));
        }
        let largest_body = routes.iter().map(|route| route.body_limit).max().unwrap_or_default();
        let server = self.server.resolve(largest_body)?;
        Ok(Config { server, sources, remote_sets: sets.into_sets(), routes, warnings })
    }
}

/// Room for the largest body of any route at least.
fn body_budget(given: Option<&Spanned<String>>, largest_body: usize) -> Result<usize, Problem> {
    let Some(text) = given else { return Ok(largest_body.max(VerifyLayer::DEFAULT_BODY_BUDGET)) };
    match size(text)? {
        bytes if bytes < largest_body => {
            let message = format!("a route takes bodies of {largest_body} bytes, which would never fit");
            Err(Problem::at(text.span(), message))
        }
        bytes => Ok(bytes),
    }
}

impl file::Server {
    fn resolve(self, largest_body: usize) -> Result<Server, Problem> {
        if self.listen.get_ref().is_empty() {
            return Err(Problem::at(self.listen.span(), "listen on one address at least, like \"127.0.0.1:8080\""));
        }
        Ok(Server {
            listen: self.listen.into_inner().iter().map(address).collect::<Result<_, _>>()?,
            admin: self.admin.as_ref().map(address).transpose()?,
            threads: match self.threads {
                Some(threads) if *threads.get_ref() == 0 => {
                    return Err(Problem::at(threads.span(), "one thread at least"));
                }
                Some(threads) => threads.into_inner(),
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            body_budget: body_budget(self.body_budget.as_ref(), largest_body)?,
            shutdown_timeout: duration_or(self.shutdown_timeout.as_ref(), Duration::from_secs(15))?,
        })
    }
}

impl file::Route {
    fn resolve(self, sources: &BTreeMap<String, Arc<Source>>) -> Result<Route, Problem> {
        let Some(source) = sources.get(self.source.get_ref()) else {
            let known: Vec<_> = sources.keys().map(|name| format!("`{name}`")).collect();
            let message = format!("there is no source `{}`; there is {}", self.source.get_ref(), known.join(", "));
            return Err(Problem::at(self.source.span(), message));
        };
        let upstream_timeout = duration_or(self.upstream_timeout.as_ref(), Duration::from_secs(30))?;
        if source.lease < upstream_timeout {
            let at = self.upstream_timeout.as_ref().map_or(self.source.span(), Spanned::span);
            let message = format!(
                "the upstream may take {upstream_timeout:?}, but the lease of the source `{}` ends after {:?}: \
                 a retry in between would be forwarded too",
                self.source.get_ref(),
                source.lease
            );
            return Err(Problem::at(at, message));
        }
        let connect_timeout = duration_or(self.connect_timeout.as_ref(), CONNECT_TIMEOUT.min(upstream_timeout))?;
        if let Some(given) = self.connect_timeout.as_ref().filter(|_| connect_timeout > upstream_timeout) {
            let message = format!(
                "a backend may take {connect_timeout:?} to accept a connection, but `upstream_timeout` ends the \
                 attempt after {upstream_timeout:?}: use a shorter time here"
            );
            return Err(Problem::at(given.span(), message));
        }
        if self.upstream.get_ref().is_empty() {
            return Err(Problem::at(
                self.upstream.span(),
                "name one upstream at least, like \"http://127.0.0.1:3000\"",
            ));
        }
        if let Some(events) = self.events.as_ref().filter(|events| events.get_ref().is_empty()) {
            return Err(Problem::at(
                events.span(),
                "no event would be forwarded: leave `events` out, or write [\"*\"], for all",
            ));
        }
        let events = self.events.map(|events| {
            EventFilter::new(events.get_ref()).map_err(|error| Problem::at(events.span(), error.to_string()))
        });
        Ok(Route {
            host: self.host.as_ref().map(|text| parse(text, Host::parse)).transpose()?,
            path: parse(&self.path, PathPattern::parse)?,
            source: Arc::clone(source),
            upstream: self.upstream.into_inner().iter().map(upstream).collect::<Result<_, _>>()?,
            events: events.transpose()?,
            body_limit: self.body_limit.as_ref().map_or(Ok(VerifyLayer::DEFAULT_BODY_LIMIT), size)?,
            body_timeout: duration_or(self.body_timeout.as_ref(), VerifyLayer::DEFAULT_BODY_TIMEOUT)?,
            upstream_timeout,
            upstream_idle_timeout: duration_or(self.upstream_idle_timeout.as_ref(), UPSTREAM_IDLE_TIMEOUT)?,
            connect_timeout,
        })
    }
}

fn parse<T>(text: &Spanned<String>, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Result<T, Problem> {
    parse(text.get_ref()).map_err(|message| Problem::at(text.span(), message))
}

fn address(text: &Spanned<String>) -> Result<SocketAddr, Problem> {
    parse(text, |text| {
        text.parse().map_err(|_| "an address is an IP and a port, like \"127.0.0.1:8080\" or \"[::]:8080\"")
    })
}

fn duration_or(text: Option<&Spanned<String>>, default: Duration) -> Result<Duration, Problem> {
    text.map_or(Ok(default), |text| {
        let duration = parse(text, |text| {
            humantime::parse_duration(text).map_err(|_| "a time is a number and a unit, like \"30s\" or \"5m\"")
        })?;
        if duration.is_zero() { Err(Problem::at(text.span(), "the time is zero")) } else { Ok(duration) }
    })
}

fn size(text: &Spanned<String>) -> Result<usize, Problem> {
    parse(text, |text| {
        let size: ByteSize = text.parse().map_err(|_| "a size is a number and a unit, like \"64KiB\" or \"1MiB\"")?;
        usize::try_from(size.as_u64()).map_err(|_| "the size is larger than this machine can address")
    })
}

fn upstream(text: &Spanned<String>) -> Result<Authority, Problem> {
    parse(text, |text| {
        let uri: Uri = text.parse().map_err(|_| "an upstream is a URL, like \"http://127.0.0.1:3000\"")?;
        let parts = uri.into_parts();
        match (parts.scheme, parts.authority, parts.path_and_query) {
            (Some(scheme), _, _) if scheme == Scheme::HTTPS => {
                Err("https to an upstream is not supported yet: put the gateway beside the backend and use http")
            }
            (Some(scheme), Some(authority), path)
                if scheme == Scheme::HTTP && path.as_ref().is_none_or(|path| path == "/") =>
            {
                if authority.as_str().contains('@') { Err("an upstream has no user name") } else { Ok(authority) }
            }
            (Some(_), Some(_), Some(_)) => Err("an upstream has no path: a request keeps the path that it came with"),
            _ => Err("an upstream is a URL, like \"http://127.0.0.1:3000\""),
        }
    })
}
