//! The configuration: read whole, checked whole, before anything listens.
//!
//! [`file`] is what the operator writes; what is here is what the gateway works with, and cannot be
//! wrong any more. An error names the line, and never repeats a value that could be a secret.

mod addresses;
mod capacity;
mod error;
mod file;
pub(crate) mod hide;
mod keys;
mod limits;
mod replay;
mod routes;
mod secrets;
mod source;
mod unknown;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock, SystemClock};
use countersign::filter::EventFilter;
use countersign_tower::{VerifyLayer, policy::Untyped};
use http::uri::Authority;
use toml::Spanned;

pub use capacity::Capacity;
pub use error::{ConfigError, Warning};
pub(crate) use error::{Place, Problem};
pub(crate) use hide::shown;
pub use keys::{JwksSpec, PublicKeySpec, TokenSpec};
use limits::{duration_or, size};
pub use replay::{ReplaySpec, StoreSpec};
pub use secrets::{SecretOrigin, SecretRef};
pub use source::SourceConfig;

use crate::path::PathPattern;
use crate::route::Host;
use crate::serve::{MAX_HEAD, Timeouts};
use crate::trust::Opened;

/// What the gateway works with.
#[derive(Debug)]
pub struct Config {
    /// The process and its listeners.
    pub server: Server,
    /// The sources, by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// The routes, in the order in which they were written.
    pub routes: Vec<Route>,
    /// What is allowed, but deserves a second look.
    pub warnings: Vec<Warning>,
    written: Written,
}

/// The file as it was written, to find lines in it.
#[derive(Clone, Default)]
struct Written {
    file: PathBuf,
    text: String,
}

impl fmt::Debug for Written {
    /// Without the text: a secret may have been pasted into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Written").field(&self.file).finish()
    }
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
    /// The most bytes of heads and bodies that are held at one time, over all routes.
    pub body_budget: usize,
    /// How many connections may be open; derived from the limit on open files, if there is none.
    pub max_connections: Option<usize>,
    /// How long a client may keep a connection without progress.
    pub timeouts: Timeouts,
    /// Whether plain requests of HTTP/1.1 are served without hyper.
    pub accelerate: bool,
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
    /// The name of the source that it verifies.
    pub source: String,
    /// The backends: `http` authorities.
    pub upstream: Vec<Authority>,
    /// The events that are forwarded; all, if there is none.
    pub events: Option<EventFilter>,
    /// What is done with a delivery whose event type cannot be read, where events are filtered.
    pub untyped: Untyped,
    /// Whether gRPC calls are rejected with `grpc-status` instead of an HTTP status.
    pub grpc: bool,
    /// Headers that are forwarded although they steer a backend.
    pub forward_headers: Opened,
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
    /// Reads and checks the file at `path`. The secrets that it names are read by
    /// [`State::build`](crate::state::State::build).
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        Self::parse(&text, &Place { file: path, text: &text })
    }

    fn parse(text: &str, place: &Place<'_>) -> Result<Self, ConfigError> {
        let file: file::File = toml::from_str(text).map_err(|error| place.error(misread(&error, place)))?;
        let mut warnings = Vec::new();
        let config = file.resolve(SystemClock.now(), &mut warnings).map_err(|problem| place.error(problem))?;
        let mut warnings: Vec<_> = warnings.into_iter().map(|problem| place.warning(problem)).collect();
        warnings.sort_by_key(Warning::line);
        let written = Written { file: place.file.into(), text: text.into() };
        Ok(Self { warnings, written, ..config })
    }

    /// The file, to find lines in it.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { file: &self.written.file, text: &self.written.text }
    }
}

/// What the parser found wrong. Of a key that is not one it says which was meant.
fn misread(error: &toml::de::Error, place: &Place<'_>) -> Problem {
    let Some(span) = error.span() else { return Problem::whole(error.message()) };
    let number = place.line_of(&span);
    let line = place.text.lines().nth(number - 1).unwrap_or_default();
    if let (Some(value), Some((what, _))) = (place.text.get(span.clone()), error.message().split_once(['"', '`']))
        && hide::is_like_a_secret(value)
    {
        // However it is quoted there.
        let rest = error.message().rsplit_once(", expected").map(|(_, rest)| format!(", expected{rest}"));
        return Problem::at(span, format!("{what}{}{}", hide::HIDDEN, rest.unwrap_or_default()));
    }
    let reworded = unknown::reworded(error.message(), line, unknown::table_of(place.text, number));
    Problem::at(span, reworded.unwrap_or_else(|| error.message().to_owned()))
}

impl file::File {
    fn resolve(self, now: UnixTime, warnings: &mut Vec<Problem>) -> Result<Config, Problem> {
        let mut sources = BTreeMap::new();
        // In the order in which they are written, so that of two with the same secret the second is named.
        let mut written: Vec<_> = self.sources.into_iter().collect();
        written.sort_by_key(|(name, _)| name.span().start);
        let mut names = BTreeMap::new();
        for (name, source) in written {
            let source = source.resolve(&name, now, warnings)?;
            names.insert(name.get_ref().clone(), name.span());
            sources.insert(name.into_inner(), source);
        }
        let mut routes: Vec<Route> = Vec::new();
        let mut backends = Vec::new();
        for route in self.routes {
            let at = route.path.span();
            backends.extend(route.upstream.get_ref().clone());
            let route = route.resolve(&sources, warnings)?;
            if routes.iter().any(|other| (&other.host, &other.path) == (&route.host, &route.path)) {
                return Err(Problem::at(at, "another route has the same host and path"));
            }
            routes.push(route);
        }
        for name in sources.keys() {
            if !routes.iter().any(|route| route.source == *name) {
                warnings.push(Problem::at(names[name].clone(), format!("no route uses the source `{name}`")));
            }
        }
        if routes.is_empty() {
            return Err(Problem::whole("there is no [[routes]]: every request would be answered 404"));
        }
        let largest_body = routes.iter().map(|route| route.body_limit).max().unwrap_or_default();
        let server = self.server.resolve(largest_body, warnings)?;
        let own: Vec<_> = server.listen.iter().chain(&server.admin).copied().collect();
        for (text, backend) in backends.iter().zip(routes.iter().flat_map(|route| &route.upstream)) {
            if let Some(own) = addresses::loops_back(backend, &own) {
                let message = format!("the upstream is the gateway itself, which listens on {own}: name the backend");
                return Err(Problem::at(text.span(), message));
            }
        }
        Ok(Config { server, sources, routes, warnings: Vec::new(), written: Written::default() })
    }
}

/// Room for the largest body of any route and its head at least.
fn body_budget(given: Option<&Spanned<String>>, largest_body: usize) -> Result<usize, Problem> {
    let least = largest_body.saturating_add(MAX_HEAD);
    let Some(text) = given else { return Ok(least.max(VerifyLayer::DEFAULT_BODY_BUDGET)) };
    match size(text)? {
        bytes if bytes < least => {
            let message = format!(
                "a route accepts bodies of {largest_body} bytes, which would never fit beside a head of {MAX_HEAD}: \
                 allow {least}B or more"
            );
            Err(Problem::at(text.span(), message))
        }
        bytes => Ok(bytes),
    }
}

fn at_least_one(count: Spanned<usize>, message: &str) -> Result<usize, Problem> {
    if *count.get_ref() == 0 { Err(Problem::at(count.span(), message)) } else { Ok(count.into_inner()) }
}

impl file::Server {
    fn resolve(self, largest_body: usize, warnings: &mut Vec<Problem>) -> Result<Server, Problem> {
        if self.listen.get_ref().is_empty() {
            return Err(Problem::at(self.listen.span(), "listen on one address at least, like \"127.0.0.1:8080\""));
        }
        let (listen, admin) = addresses::listeners(&self, warnings)?;
        let body_budget = body_budget(self.body_budget.as_ref(), largest_body)?;
        if let Some(given) = &self.body_budget {
            limits::warn_of_memory("body_budget", body_budget, given.span(), warnings);
        }
        let patience = Duration::from_millis(100)..=Duration::from_hours(1);
        let why = "a stop may take that long; service managers wait for 10 s to 90 s before they kill";
        limits::warn_outside("shutdown_timeout", self.shutdown_timeout.as_ref(), patience, why, warnings)?;
        self.warn_of_times(warnings)?;
        if let Some(count) = &self.max_connections {
            limits::warn_of_connections(count, warnings);
        }
        Ok(Server {
            listen,
            admin,
            threads: limits::threads(self.threads.as_ref(), warnings)?,
            max_connections: self
                .max_connections
                .map(|count| at_least_one(count, "no connection would be accepted: allow one at least"))
                .transpose()?,
            timeouts: Timeouts {
                head: duration_or(self.head_timeout.as_ref(), Duration::from_secs(30))?,
                idle: duration_or(self.idle_timeout.as_ref(), Duration::from_secs(75))?,
                write: duration_or(self.write_timeout.as_ref(), Duration::from_secs(30))?,
            },
            body_budget,
            accelerate: self.accelerate.unwrap_or(true),
            shutdown_timeout: duration_or(self.shutdown_timeout.as_ref(), Duration::from_secs(15))?,
        })
    }
}

impl file::Server {
    fn warn_of_times(&self, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let range = Duration::from_millis(100)..=Duration::from_hours(1);
        for (key, given, why) in [
            ("head_timeout", &self.head_timeout, "a client needs some time to send a head, and no more than that"),
            ("idle_timeout", &self.idle_timeout, "a connection without requests is kept for that long"),
            ("write_timeout", &self.write_timeout, "a client may leave a response unread for that long"),
        ] {
            limits::warn_outside(key, given.as_ref(), range.clone(), why, warnings)?;
        }
        Ok(())
    }
}

fn parse<T>(text: &Spanned<String>, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Result<T, Problem> {
    parse(text.get_ref()).map_err(|message| Problem::at(text.span(), message))
}
