//! Which route a request belongs to: host and path exactly, or a path's prefix.

use http::header::HOST;
use http::request;

/// A host that a route is for: without port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Reads a host name or an IP address.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':'))
            && name == without_port(name);
        if plain {
            Ok(Self(name.to_ascii_lowercase()))
        } else {
            Err("a host is a name without scheme and port, like \"hooks.example.com\"")
        }
    }

    fn matches(&self, host: &str) -> bool {
        let host = without_port(host);
        host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(&self.0)
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The paths that a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exact(String),
    /// All below this one, which ends with a slash.
    Below(String),
}

impl PathPattern {
    /// Reads `/path`, or `/path/*` for all that begin with `/path/`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, pattern): (_, fn(String) -> Self) = match text.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') => (prefix, Self::Below),
            _ => (text, Self::Exact),
        };
        if !path.starts_with('/') {
            Err("a path begins with a slash, like \"/gemini\"")
        } else if path.contains('*') {
            Err("`*` stands at the end only, behind a slash: \"/gemini/*\"")
        } else if path.contains(['?', '#']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("a path is visible ASCII without query and fragment")
        } else if is_ambiguous(path) {
            Err("a path with dot segments, encoded slashes or backslashes matches nothing")
        } else {
            Ok(pattern(path.into()))
        }
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Below(prefix) => path.starts_with(prefix.as_str()),
        }
    }
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Below(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// Routes, the most specific first.
#[derive(Debug)]
pub struct Table<T> {
    entries: Vec<(Option<Host>, PathPattern, T)>,
}

impl<T> Table<T> {
    /// Sorts the routes: a named host before any, an exact path before a prefix, a long prefix before
    /// a short one.
    pub fn new(entries: impl IntoIterator<Item = (Option<Host>, PathPattern, T)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|(host, path, _)| {
            let breadth = match path {
                PathPattern::Exact(_) => 0,
                PathPattern::Below(prefix) => usize::MAX - prefix.len(),
            };
            (host.is_none(), breadth)
        });
        Self { entries }
    }

    /// The route of a request, if it has one.
    pub fn find(&self, head: &request::Parts) -> Option<&T> {
        let path = head.uri.path();
        if is_ambiguous(path) {
            return None;
        }
        let host = host_of(head);
        let matches = |(wanted, pattern, _): &&(Option<Host>, PathPattern, T)| {
            wanted.as_ref().is_none_or(|wanted| host.is_some_and(|host| wanted.matches(host))) && pattern.matches(path)
        };
        self.entries.iter().find(matches).map(|(_, _, route)| route)
    }
}

/// The host that a request names: none if it names several.
pub fn host_of(head: &request::Parts) -> Option<&str> {
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

/// Whether a backend might read another path out of this one.
fn is_ambiguous(path: &str) -> bool {
    // Nearly all paths are plain, and need no second look.
    if !path.contains(['%', '\\']) && !path.contains("/.") {
        return false;
    }
    let lower = path.to_ascii_lowercase();
    lower.contains('\\')
        || lower.contains("%2f")
        || lower.contains("%5c")
        || lower.replace("%2e", ".").split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(routes: &[(Option<&str>, &str)], host: Option<&str>, uri: &str) -> Option<usize> {
        let entry = |(number, (host, path)): (usize, &(Option<&str>, &str))| {
            (host.map(|host| Host::parse(host).unwrap()), PathPattern::parse(path).unwrap(), number)
        };
        let table = Table::new(routes.iter().enumerate().map(entry));
        let mut request = http::Request::post(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        table.find(&request.body(()).unwrap().into_parts().0).copied()
    }

    #[test]
    fn a_path_matches_exactly_or_below_a_prefix() {
        let routes = [(None, "/gemini"), (None, "/x/*"), (None, "/x/y/*"), (None, "/x/y/z")];
        for (path, route) in [
            ("/gemini", Some(0)),
            ("/gemini?a=1", Some(0)),
            ("/gemini/", None),
            ("/Gemini", None),
            ("/x", None),
            ("/x/", Some(1)),
            ("/x/a/b", Some(1)),
            ("/x/y/a", Some(2)),
            ("/x/y/z", Some(3)),
            ("/xy", None),
        ] {
            assert_eq!(find(&routes, None, path), route, "{path}");
        }
    }

    #[test]
    fn a_path_that_can_be_read_twice_matches_nothing() {
        let routes = [(None, "/*"), (None, "/x")];
        for path in ["/x/../y", "/./x", "/x/..", "/x/%2e%2E/y", "/x%2Fy", "/x%5cy", "/x/.%2e/y", "/..;/x", "/x\\y"] {
            let uri = format!("http://h{path}");
            if uri.parse::<http::Uri>().is_ok() {
                assert_eq!(find(&routes, None, &uri), None, "{path}");
            }
        }
        assert_eq!(find(&routes, None, "/x/..y/.z./a.b"), Some(0));
    }

    #[test]
    fn a_host_matches_whatever_its_case_and_port() {
        let routes = [(None, "/x"), (Some("Hooks.Example.com"), "/x"), (Some("[::1]"), "/x")];
        for (host, route) in [
            (Some("hooks.example.com"), 1),
            (Some("HOOKS.example.com:8080"), 1),
            (Some("hooks.example.com."), 1),
            (Some("evil-hooks.example.com"), 0),
            (Some("[::1]:8080"), 2),
            (None, 0),
        ] {
            assert_eq!(find(&routes, host, "/x"), Some(route), "{host:?}");
        }
        assert_eq!(find(&routes, Some("other"), "http://hooks.example.com/x"), Some(1));
    }

    #[test]
    fn what_cannot_match_is_refused_when_it_is_written() {
        for wrong in ["", "x", "/x*", "/*/x", "/a?b", "/a/../b", "/a b", "/a%2fb"] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "http://a", "a:80", "a/b", "a b"] {
            assert!(Host::parse(wrong).is_err(), "{wrong}");
        }
    }
}
