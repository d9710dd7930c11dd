//! Routes, and their backends and events.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::filter::EventFilter;
use countersign_tower::{VerifyLayer, policy::Untyped};
use http::uri::Authority;
use toml::Spanned;

use super::error::Problem;
use super::hide::{is_like_a_secret, is_marked};
use super::limits::{duration_or, size, warn_of_memory, warn_of_small_body, warn_outside};
use super::{Route, SourceConfig, addresses, file, parse};
use crate::path::PathPattern;
use crate::route::Host;
use crate::trust::Opened;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the idle timeouts of common servers: gunicorn 2 s, Node.js, uvicorn and Apache 5 s.
const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_millis(1500);

impl file::Route {
    pub(super) fn resolve(
        self,
        sources: &BTreeMap<String, SourceConfig>,
        warnings: &mut Vec<Problem>,
    ) -> Result<Route, Problem> {
        let Some(source) = sources.get(self.source.get_ref()) else {
            let known: Vec<_> = sources.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "no source at all".into() } else { known.join(", ") };
            let message = format!("there is no source `{}`; there is {known}", self.source.get_ref());
            return Err(Problem::at(self.source.span(), message));
        };
        let upstream_timeout = duration_or(self.upstream_timeout.as_ref(), Duration::from_secs(30))?;
        if source.replay.lease < upstream_timeout {
            let at = self.upstream_timeout.as_ref().map_or(self.source.span(), Spanned::span);
            let message = format!(
                "the upstream may take {upstream_timeout:?}, but the lease of the source `{}` ends after {:?}: \
                 a retry in between would be forwarded too",
                self.source.get_ref(),
                source.replay.lease
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
        if let Some(untyped) = self.untyped.as_ref().filter(|_| self.events.is_none()) {
            let message = "`untyped` is for a route with `events`: without a filter no types are read";
            return Err(Problem::at(untyped.span(), message));
        }
        if let (Some(untyped), Some(events)) = (&self.untyped, &self.events)
            && matches!(untyped.get_ref(), file::Untyped::Reject)
            && events.get_ref().iter().any(|pattern| pattern == "*")
        {
            let message = "`untyped` is for a filter, and [\"*\"] filters nothing: only deliveries without a readable type are rejected";
            warnings.push(Problem::at(untyped.span(), message));
        }
        let untyped = match self.untyped.as_ref().map(Spanned::get_ref) {
            Some(file::Untyped::Reject) => Untyped::Reject,
            Some(file::Untyped::Forward) | None => Untyped::Forward,
        };
        let forward_headers = opened(&self.forward_headers, self.path.get_ref(), warnings)?;
        let upstream = self.upstreams(warnings)?;
        let body_limit = self.body_limit.as_ref().map_or(Ok(VerifyLayer::DEFAULT_BODY_LIMIT), size)?;
        if let Some(given) = &self.body_limit {
            warn_of_memory("body_limit", body_limit, given.span(), warnings);
            warn_of_small_body(given, body_limit, warnings);
        }
        self.warn_of_times(warnings)?;
        Ok(Route {
            host: self.host.as_ref().map(host).transpose()?,
            path: path(&self.path, warnings)?,
            source: self.source.get_ref().clone(),
            upstream,
            events: self.events.as_ref().map(|events| event_filter(events, warnings)).transpose()?,
            untyped,
            grpc: self.grpc,
            forward_headers,
            body_limit,
            body_timeout: duration_or(self.body_timeout.as_ref(), VerifyLayer::DEFAULT_BODY_TIMEOUT)?,
            upstream_timeout,
            upstream_idle_timeout: duration_or(self.upstream_idle_timeout.as_ref(), UPSTREAM_IDLE_TIMEOUT)?,
            connect_timeout,
        })
    }

    fn upstreams(&self, warnings: &mut Vec<Problem>) -> Result<Vec<Authority>, Problem> {
        let mut known: Vec<Authority> = Vec::new();
        for text in self.upstream.get_ref() {
            let authority = addresses::upstream(text)?;
            if authority.port_u16() == Some(443) {
                let message = format!("the upstream {authority} has the port of https, but is spoken to in http");
                warnings.push(Problem::at(text.span(), message));
            }
            if known.iter().any(|other| addresses::identity(other) == addresses::identity(&authority)) {
                let message = format!("the upstream {authority} is listed twice: it would get two turns of each round");
                warnings.push(Problem::at(text.span(), message));
            }
            known.push(authority);
        }
        Ok(known)
    }

    fn warn_of_times(&self, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let (short, hour) = (Duration::from_millis(100), Duration::from_hours(1));
        let body = "a body may trickle in for that long, or has no time to arrive at all; the default is 10 s";
        warn_outside("body_timeout", self.body_timeout.as_ref(), short..=hour, body, warnings)?;
        let upstream = "senders give up after 10 s to 30 s, and the backend needs some time; the default is 30 s";
        warn_outside("upstream_timeout", self.upstream_timeout.as_ref(), short..=hour, upstream, warnings)?;
        let idle =
            "a connection is reused for that long, while servers close it after a few seconds; the default is 1.5 s";
        let range = Duration::from_millis(10)..=hour;
        warn_outside("upstream_idle_timeout", self.upstream_idle_timeout.as_ref(), range, idle, warnings)?;
        let connect = "a backend accepts a connection within milliseconds, or not at all; the default is 5 s";
        let range = Duration::from_millis(10)..=Duration::from_mins(2);
        warn_outside("connect_timeout", self.connect_timeout.as_ref(), range, connect, warnings)
    }
}

fn opened(names: &[Spanned<String>], path: &str, warnings: &mut Vec<Problem>) -> Result<Opened, Problem> {
    let mut opened = Opened::default();
    for name in names {
        let text = name.get_ref();
        if !opened.open(text).map_err(|message| Problem::at(name.span(), message))? {
            let message = format!("`forward_headers` of `{path}` lists `{text}`, which is forwarded without that");
            warnings.push(Problem::at(name.span(), message));
        }
    }
    Ok(opened)
}

fn path(text: &Spanned<String>, warnings: &mut Vec<Problem>) -> Result<PathPattern, Problem> {
    let message = "a path is shown in metrics and logs, and this one looks like a secret";
    if is_marked(text.get_ref()) {
        return Err(Problem::at(text.span(), message));
    }
    if is_like_a_secret(text.get_ref()) {
        warnings.push(Problem::at(text.span(), message));
    }
    parse(text, PathPattern::parse)
}

fn host(text: &Spanned<String>) -> Result<Host, Problem> {
    if is_like_a_secret(text.get_ref()) {
        return Err(Problem::at(text.span(), "a host is shown in metrics and logs, and this one looks like a secret"));
    }
    let host = parse(text, Host::parse)?;
    if !addresses::is_host(text.get_ref()) {
        let message = "no request names this host: it is a name like \"hooks.example.com\", or an IP address";
        return Err(Problem::at(text.span(), message));
    }
    Ok(host)
}

/// Reads the patterns of events; each should match what no other does.
fn event_filter(events: &Spanned<Vec<String>>, warnings: &mut Vec<Problem>) -> Result<EventFilter, Problem> {
    let patterns = events.get_ref();
    let filter = EventFilter::new(patterns).map_err(|error| Problem::at(events.span(), error.to_string()))?;
    for (at, pattern) in patterns.iter().enumerate() {
        if pattern.trim() != pattern || pattern.contains(char::is_control) {
            let message = format!("{pattern:?} matches no event: no type begins or ends with white space");
            return Err(Problem::at(events.span(), message));
        }
        if pattern.contains(|char: char| char == ',' || char.is_whitespace()) {
            let message =
                format!("{pattern:?} matches no event: write each pattern as a text of its own, [\"a\", \"b\"]");
            return Err(Problem::at(events.span(), message));
        }
        // Of two equal ones, the second.
        let others =
            patterns.iter().enumerate().filter(|(other, text)| *other < at || (*other > at && *text != pattern));
        if let Some((_, wider)) = others.clone().find(|(_, wider)| covers(wider, pattern)) {
            let message = if wider == pattern {
                format!("the events {pattern:?} are listed twice")
            } else {
                format!("the events {pattern:?} are in {wider:?} already")
            };
            warnings.push(Problem::at(events.span(), message));
        } else if pattern.trim_end_matches(".*").split('.').any(str::is_empty) {
            let message = format!("{pattern:?} has an empty part, as no type of an event does: it matches nothing");
            warnings.push(Problem::at(events.span(), message));
        }
    }
    Ok(filter)
}

/// Whether each event that `pattern` matches is matched by `wider`, too.
fn covers(wider: &str, pattern: &str) -> bool {
    // Of a prefix, the shortest type that begins with it, and a letter that no pattern has behind it by chance.
    let example = match pattern.strip_suffix('*') {
        Some("") => return wider == "*",
        Some(prefix) => format!("{prefix}\u{0}"),
        None => pattern.to_owned(),
    };
    EventFilter::new([wider]).is_ok_and(|filter| filter.admits(Some(&example)))
}
