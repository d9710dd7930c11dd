//! Finds the route of a request: by its exact host, and by its exact path or a prefix of it.

mod near;

use std::cell::LazyCell;
use std::net::Ipv6Addr;
use std::ops::Deref;

use http::header::HOST;
use http::request;

use crate::connection::Connection;
use crate::path::{PathPattern, continues, readings};

pub use near::Difference;

/// The host of a route, without port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// A host name or an IPv4 address, in lower case, without a trailing dot.
    Text(String),
    /// An IPv6 address, compared by its value, not by its spelling.
    V6(Ipv6Addr),
}

impl Host {
    /// Parses a host name or an IP address. IPv6 addresses are in brackets.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if let Some(ip) = ipv6(text) {
            Ok(Self(Name::V6(ip)))
        } else if !name.is_empty() && name.bytes().all(is_plain) {
            Ok(Self(Name::Text(name.to_ascii_lowercase())))
        } else {
            Err(
                "no request names this host: it is a name without scheme and port, like \"hooks.example.com\", or an IP \
                 address, IPv6 in brackets",
            )
        }
    }

    fn matches(&self, host: &str) -> bool {
        let host = without_port(host);
        match &self.0 {
            Name::Text(name) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(name),
            Name::V6(ip) => ipv6(host) == Some(*ip),
        }
    }
}

/// An IPv6 address in brackets.
fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Name::Text(name) => f.write_str(name),
            Name::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// Routes, the most specific first.
#[derive(Debug)]
pub struct Table<T> {
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    host: Option<Host>,
    path: PathPattern,
    /// The path of the pattern, as lenient backends read it.
    reading: String,
    route: T,
}

impl<T> Table<T> {
    /// Sorts the routes: named hosts before any host, exact paths before prefixes, and long prefixes before
    /// short ones.
    pub fn new(entries: impl IntoIterator<Item = (Option<Host>, PathPattern, T)>) -> Self {
        let entry = |(host, path, route): (Option<Host>, PathPattern, T)| {
            let reading = readings(path.text()).unwrap_or_default().whole;
            Entry { host, path, reading, route }
        };
        let mut entries: Vec<_> = entries.into_iter().map(entry).collect();
        entries.sort_by_key(|Entry { host, path, .. }| {
            let breadth = match path {
                PathPattern::Exact(_) => 0,
                PathPattern::Below(prefix) => usize::MAX - prefix.len(),
            };
            (host.is_none(), breadth)
        });
        Self { entries }
    }

    /// Returns the route of a request, if it has one.
    ///
    /// A path matches a prefix only if no backend can read it as a path elsewhere: not as one above the prefix,
    /// and not as one of a more specific route, which may belong to another source. A backend may ignore the text
    /// after an exact path. Therefore, `/x/hook.json` and `/x/hook.php/a` match neither `/x/hook` nor `/x/*`,
    /// unless there is a route such as `/x/hook/*`.
    pub fn find(&self, head: &request::Parts) -> Option<&T> {
        let path = head.uri.path();
        // Most configurations name no host, so it is only looked up for one that does.
        let host = LazyCell::new(|| host_of(head));
        let at = self.entries.iter().position(|entry| entry.path.matches(path) && entry.is_for(&host))?;
        let entry = &self.entries[at];
        if let PathPattern::Below(_) = entry.path {
            // Some parsers read the text after two leading slashes as a host.
            let readings = readings(path).filter(|_| !path.starts_with("//"))?;
            let mut others = self.entries[..at].iter().filter(|other| other.reading != entry.reading);
            let is_read =
                |other: &Entry<T>| [&readings.whole, &readings.cut].iter().any(|path| other.reads(path, entry));
            if others.any(|other| other.is_for(&host) && is_read(other)) {
                return None;
            }
        }
        Some(&entry.route)
    }

    /// The route that a request without a route just misses: only a slash or the letter case of its path differs.
    pub fn near(&self, head: &request::Parts) -> Option<(&PathPattern, Difference)> {
        let (path, host) = (head.uri.path(), LazyCell::new(|| host_of(head)));
        let of_host = self.entries.iter().filter(|entry| entry.is_for(&host));
        of_host.into_iter().find_map(|entry| Some((&entry.path, near::difference(&entry.path, path)?)))
    }
}

impl<T> Entry<T> {
    fn is_for<'h>(&self, host: &impl Deref<Target = Option<&'h str>>) -> bool {
        self.host.as_ref().is_none_or(|wanted| host.is_some_and(|host| wanted.matches(host)))
    }

    /// Whether a lenient backend could read a path with this reading, which matches the prefix of `found`, as a path
    /// of this route.
    fn reads(&self, reading: &str, found: &Self) -> bool {
        match self.path {
            PathPattern::Exact(_) => {
                let (reading, exact) = (reading.trim_end_matches('/'), self.reading.trim_end_matches('/'));
                // An exact path above the prefix does not count: the prefix route covers everything below it.
                reading == exact || (exact.starts_with(&found.reading) && continues(reading, exact))
            }
            PathPattern::Below(_) => reading.starts_with(&self.reading),
        }
    }
}

/// The host of a request: the one that a trusted proxy reports, else the one that the request names. `None` if it names
/// several.
pub fn host_of(head: &request::Parts) -> Option<&str> {
    let reported = head.extensions.get::<Connection>().and_then(Connection::host);
    if let Some(host) = reported.and_then(|host| host.to_str().ok()) {
        return Some(host);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let header = hosts.next().map(|value| value.to_str().unwrap_or_default());
    match (head.uri.authority(), header, hosts.next()) {
        (_, _, Some(_)) => None,
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, header, None) => header,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Within brackets a colon is part of an IPv6 address.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
