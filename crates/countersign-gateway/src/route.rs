//! Which route a request belongs to: host and path exactly, or a path's prefix.

use http::header::HOST;
use http::request;

use crate::path::{PathPattern, most_lenient_reading};

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

/// Routes, the most specific first.
#[derive(Debug)]
pub struct Table<T> {
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    host: Option<Host>,
    path: PathPattern,
    /// The pattern's own path, as the most lenient backend reads it.
    reading: String,
    route: T,
}

impl<T> Table<T> {
    /// Sorts the routes: a named host before any, an exact path before a prefix, a long prefix before
    /// a short one.
    pub fn new(entries: impl IntoIterator<Item = (Option<Host>, PathPattern, T)>) -> Self {
        let entry = |(host, path, route): (Option<Host>, PathPattern, T)| {
            let reading = most_lenient_reading(path.text()).unwrap_or_default();
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
    /// and not as one that a more specific route is for, which may belong to another source.
    pub fn find(&self, head: &request::Parts) -> Option<&T> {
        let (path, host) = (head.uri.path(), host_of(head));
        let at = self.entries.iter().position(|entry| entry.is_for(host) && entry.path.matches(path))?;
        let entry = &self.entries[at];
        if let PathPattern::Below(_) = entry.path {
            // Some parsers take what follows two slashes at the beginning for a host.
            let reading = most_lenient_reading(path).filter(|_| !path.starts_with("//"))?;
            let others = self.entries[..at].iter().filter(|other| other.reading != entry.reading);
            if others.into_iter().any(|other| other.is_for(host) && other.reads(&reading)) {
                return None;
            }
        }
        Some(&entry.route)
    }
}

impl<T> Entry<T> {
    fn is_for(&self, host: Option<&str>) -> bool {
        self.host.as_ref().is_none_or(|wanted| host.is_some_and(|host| wanted.matches(host)))
    }

    /// Whether a lenient backend takes a path with this reading for one of this route.
    fn reads(&self, reading: &str) -> bool {
        match self.path {
            PathPattern::Exact(_) => reading.trim_end_matches('/') == self.reading.trim_end_matches('/'),
            PathPattern::Below(_) => reading.starts_with(self.reading.as_str()),
        }
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
        for path in [
            "/x/../y",
            "/./x",
            "/x/..",
            "/x/%2e%2E/y",
            "/x%2Fy",
            "/x%5cy",
            "/x/.%2e/y",
            "/..;/x",
            "/x\\y",
            "//x",
            "/y/%252e%252e/x",
            "/y/%25",
            "/y/%00",
            "/y/%09",
            "/y/%0d%0a",
            "/y/%1F",
            "/y/%7f",
            "/y/%3b",
            "/y/a%3Bb",
            "/y/%3fa",
            "/y/%23a",
            "/y/%ff",
            "/y/%c0%af",
            "/y/%c0%ae%c0%ae/x",
            "/y/%c1%9c",
            "/y/%e0%80%af",
            "/y/%ed%a0%80",
            "/y/%f4%90%80%80",
            "/y/%c3",
            "/y/%",
            "/y/%2",
            "/y/%zz",
            "/y/%u002e%u002e/x",
            "/y/%+2",
            "/y/...",
            "/y/.%20./x",
            "/y/..%20/x",
            "/y/%20/x",
            "/y/.;a=b/x",
            "/y/..;a/x",
            "/y/%ef%bc%8f",
            "/y/%ef%bc%8e%ef%bc%8e/x",
            "/y/%e2%80%a5/x",
            "/y/%ef%b9%92",
            "/y/%ef%bc%9b",
            "/y/%e2%88%95",
            "/y/.%c2%ad./x",
            "/y/.%e2%80%8b./x",
            "/y/%ef%bb%bf",
            "/y/%c2%85",
            "/y/%ef%bc%85",
            "/y/%c2%a5",
            "/y/%cd%be",
        ] {
            let uri = format!("http://h{path}");
            if uri.parse::<http::Uri>().is_ok() {
                assert_eq!(find(&routes, None, &uri), None, "{path}");
            }
        }
        for path in [
            "/x/..y/.z./a.b",
            "/y/a%20b",
            "/y/caf%C3%A9",
            "/y/%E6%97%A5",
            "/y//z",
            "/y/z;a=b",
            "/y/%7Eme",
            "/y/a%2eb",
            "/y/a+b:c@d,e=f&g$h!i*j(k)l'm",
            "/y/z/",
            "/y/%3A",
            "/y/3b",
            "/",
        ] {
            assert_eq!(find(&routes, None, path), Some(0), "{path}");
        }
    }

    #[test]
    fn a_path_that_a_backend_could_read_as_another_route_matches_nothing() {
        let routes =
            [(None, "/*"), (None, "/x/*"), (None, "/x/y"), (None, "/x/z/*"), (None, "/X/q"), (Some("h"), "/w")];
        for path in [
            "/x/%79", "/x/Y", "/x/y/", "/x//y", "/x/y;v=1", "/x/;/y", "/x/y.", "/x/y%20", "/x/Z/a", "/x//z/a",
            "/x/z;a/b", "/%78/a", "/X/a", "/x;a/b", "/x/Q", "/x/y//",
        ] {
            assert_eq!(find(&routes, None, path), None, "{path}");
        }
        for (path, route) in [
            ("/x/y", 2),
            ("/x/yy", 1),
            ("/x/a", 1),
            ("/x/z", 1),
            ("/x/z/a", 3),
            ("/x/z/y", 3),
            ("/y", 0),
            ("/X/q", 4),
            ("/x/", 1),
            ("/w;a", 0),
            ("/x/a;b//c", 1),
        ] {
            assert_eq!(find(&routes, None, path), Some(route), "{path}");
        }
        // A route of the host that the request names counts, and so does its reading.
        assert_eq!(find(&routes, Some("h"), "/w"), Some(5));
        assert_eq!(find(&[(Some("h"), "/*"), (Some("h"), "/w"), (None, "/v")], Some("h"), "/W"), None);
        assert_eq!(find(&[(Some("h"), "/*"), (Some("h"), "/w"), (None, "/v")], Some("h"), "/V"), Some(0));
        // Prefixes that differ in case only do not shadow each other.
        for (path, route) in [("/a/x", 0), ("/A/x", 1)] {
            assert_eq!(find(&[(None, "/a/*"), (None, "/A/*")], None, path), Some(route));
        }
    }

    /// Decodes as leniently as any backend: what is no escape stays, `%u` is understood, bytes that are not UTF-8
    /// are read in the overlong form, backslashes are slashes, and a NUL ends the text.
    fn leniently_decoded(path: &[u8]) -> Vec<u8> {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let (mut bytes, mut rest) = (Vec::new(), path);
        while let [first, after_one @ ..] = rest {
            let (byte, after) = match rest {
                [b'%', b'u' | b'U', b'0', b'0', a, b, after @ ..] if hex(&[*a, *b]).is_some() => {
                    (hex(&[*a, *b]), after)
                }
                [b'%', a, b, after @ ..] if hex(&[*a, *b]).is_some() => (hex(&[*a, *b]), after),
                _ => (Some(*first), after_one),
            };
            bytes.extend(byte);
            rest = after;
        }
        let (mut plain, mut rest) = (Vec::new(), &bytes[..]);
        while let [first, after_one @ ..] = rest {
            let (byte, after) = match rest {
                [0, ..] => break,
                [high @ (0xC0 | 0xC1), low, after @ ..] => (((high & 1) << 6) | (low & 0x3F), after),
                [b'\\', after @ ..] => (b'/', after),
                _ => (*first, after_one),
            };
            plain.push(byte);
            rest = after;
        }
        plain
    }

    #[test]
    fn what_matches_a_prefix_lies_below_it_however_it_is_decoded() {
        let pieces = [
            "/",
            "/",
            "/",
            ".",
            "..",
            "%2e",
            "%2E",
            "%2f",
            "%5c",
            "\\",
            "%25",
            "%252e",
            "%3b",
            ";",
            ";a=b",
            "%00",
            "%0a",
            "%7f",
            "%c0%ae",
            "%c0%af",
            "%c1%9c",
            "%ff",
            "%e2%80%a5",
            "%",
            "%u002e",
            "%u",
            "a",
            "b.c",
            "%20",
            "%61",
            "x",
            "%C3%A9",
            "%3f",
            "%23",
            "+",
            "~",
            ":",
        ];
        let routes = [(None, "/x/*"), (None, "/x/y/*")];
        let mut random = fastrand::Rng::with_seed(9);
        let mut matched = 0;
        for _ in 0..200_000 {
            let tail: String = (0..random.usize(1..8)).map(|_| pieces[random.usize(..pieces.len())]).collect();
            let path = format!("/x/{tail}");
            if format!("http://h{path}").parse::<http::Uri>().is_err()
                || find(&routes, None, &format!("http://h{path}")).is_none()
            {
                continue;
            }
            matched += 1;
            let once = leniently_decoded(path.as_bytes());
            for read in [leniently_decoded(&once), once] {
                let text = String::from_utf8(read).expect("what matches is UTF-8, also once it is decoded");
                // Cut at a query or fragment, and read with and without parameters.
                for text in [text.as_str(), text.split(['?', '#']).next().expect("a part")] {
                    assert!(text.starts_with("/x/"), "{path}: {text}");
                    for segment in text.split('/') {
                        let name = segment.split(';').next().expect("a part");
                        assert!(!matches!(name.trim(), "." | "..") && !matches!(segment, "." | ".."), "{path}: {text}");
                    }
                }
                assert!(!text.bytes().any(|byte| byte.is_ascii_control()), "{path}: {text}");
            }
        }
        assert!(matched > 5_000, "{matched} of 200000 paths were tested");
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
