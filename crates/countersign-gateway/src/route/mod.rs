//! Which route a request belongs to: host and path exactly, or a path's prefix.

mod near;

use std::net::Ipv6Addr;

use http::header::HOST;
use http::request;

use crate::connection::Connection;
use crate::path::{PathPattern, continues, readings};

pub use near::Difference;

/// A host that a route is for, without port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// A host name or an IPv4 address, in lower case, without a dot at the end.
    Text(String),
    /// However it is written.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host name or an IP address, IPv6 in brackets.
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
    /// The pattern's own path, as lenient backends read it.
    reading: String,
    route: T,
}

impl<T> Table<T> {
    /// Sorts the routes: a named host before any, an exact path before a prefix, a long prefix before
    /// a short one.
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

    /// The route of a request, if it has one.
    ///
    /// A path matches a prefix only if no backend can read it as a path elsewhere: not as one above the prefix,
    /// and not as one that a more specific route is for, which may belong to another source. A backend may read what
    /// continues an exact path as that path: so `/x/hook.json` and `/x/hook.php/a` match neither `/x/hook` nor `/x/*`,
    /// unless a route like `/x/hook/*` is for them.
    pub fn find(&self, head: &request::Parts) -> Option<&T> {
        let (path, host) = (head.uri.path(), host_of(head));
        let at = self.entries.iter().position(|entry| entry.is_for(host) && entry.path.matches(path))?;
        let entry = &self.entries[at];
        if let PathPattern::Below(_) = entry.path {
            // Some parsers take what follows two slashes at the beginning for a host.
            let readings = readings(path).filter(|_| !path.starts_with("//"))?;
            let mut others = self.entries[..at].iter().filter(|other| other.reading != entry.reading);
            let is_read =
                |other: &Entry<T>| [&readings.whole, &readings.cut].iter().any(|path| other.reads(path, entry));
            if others.any(|other| other.is_for(host) && is_read(other)) {
                return None;
            }
        }
        Some(&entry.route)
    }

    /// The route that a request without a route just misses: only a slash or the letter case of its path differs.
    pub fn near(&self, head: &request::Parts) -> Option<(&PathPattern, Difference)> {
        let (path, host) = (head.uri.path(), host_of(head));
        let of_host = self.entries.iter().filter(|entry| entry.is_for(host));
        of_host.into_iter().find_map(|entry| Some((&entry.path, near::difference(&entry.path, path)?)))
    }
}

impl<T> Entry<T> {
    fn is_for(&self, host: Option<&str>) -> bool {
        self.host.as_ref().is_none_or(|wanted| host.is_some_and(|host| wanted.matches(host)))
    }

    /// Whether a lenient backend takes a path with this reading, which matches the prefix of `found`, for one of
    /// this route.
    fn reads(&self, reading: &str, found: &Self) -> bool {
        match self.path {
            PathPattern::Exact(_) => {
                let (reading, exact) = (reading.trim_end_matches('/'), self.reading.trim_end_matches('/'));
                // An exact path above the prefix is no reading of what is below it: the prefix says so.
                reading == exact || (exact.starts_with(&found.reading) && continues(reading, exact))
            }
            PathPattern::Below(_) => reading.starts_with(&self.reading),
        }
    }
}

/// The host that a request names: none if it names several. The one that a trusted proxy reports takes precedence.
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
