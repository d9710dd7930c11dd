//! Checks that the host and the framing of a request are unambiguous.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{HeaderMap, Method, Version, request};

/// Why a head is rejected with 400 before it is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No host, more than one, one that is no host, or a target with a scheme other than `http` and `https`.
    Host,
    /// `Transfer-Encoding` that is not exactly `chunked`, that stands beside `Content-Length`, or in
    /// HTTP/1.0.
    Framing,
}

impl Malformed {
    /// The stable name, in snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Host => "malformed_host",
            Self::Framing => "malformed_framing",
        }
    }

    /// What is wrong and what to do, for people.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Host => {
                "the request does not name exactly one valid host by http or https: send one Host header, or :authority"
            }
            Self::Framing => {
                "the request's framing is ambiguous: send Content-Length, or \"Transfer-Encoding: chunked\", not both"
            }
        }
    }
}

/// Checks the host and the framing of a head. `two_framings` means that the head had both a length and a transfer
/// encoding, of which the HTTP parser has removed one.
pub fn check(head: &request::Parts, two_framings: bool) -> Result<(), Malformed> {
    check_framing(head.version, &head.headers, two_framings)?;
    check_host(head)
}

fn check_framing(version: Version, headers: &HeaderMap, two_framings: bool) -> Result<(), Malformed> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        (Some(only), None)
            if version == Version::HTTP_11 && !two_framings && only.as_bytes().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(())
        }
        _ => Err(Malformed::Framing),
    }
}

fn check_host(head: &request::Parts) -> Result<(), Malformed> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(only), None) => Some(only.to_str().map_err(|_| Malformed::Host)?),
        _ => return Err(Malformed::Host),
    };
    // HTTP/1.1 requires a Host header (RFC 9112, 3.2). HTTP/2 may use :authority instead (RFC 9113, 8.3.1).
    let needs_header = head.version == Version::HTTP_11;
    let port = match head.uri.scheme() {
        None => 80,
        Some(scheme) if *scheme == Scheme::HTTP => 80,
        Some(scheme) if *scheme == Scheme::HTTPS => 443,
        Some(_) => return Err(Malformed::Host),
    };
    let read = |text| HostAndPort::parse(text, port).ok_or(Malformed::Host);
    match (head.uri.authority(), header) {
        (None, None) if head.version < Version::HTTP_11 => Ok(()),
        // CONNECT names the target of a tunnel. It need not match the Host header, and nothing is routed by it.
        (Some(_), Some(header)) if head.method == Method::CONNECT => read(header).map(drop),
        (Some(authority), Some(header)) if read(authority.as_str())? == read(header)? => Ok(()),
        (Some(only), None) if !needs_header => read(only.as_str()).map(drop),
        (None, Some(only)) => read(only).map(drop),
        _ => Err(Malformed::Host),
    }
}

/// The port in the text of a host, or that the text is no valid host.
pub(crate) fn port_of(host: &str) -> Result<Option<u16>, Malformed> {
    // No written port is 0.
    HostAndPort::parse(host, 0).map(|host| Some(host.port).filter(|port| *port > 0)).ok_or(Malformed::Host)
}

/// A host and port that can be compared. It has no user name and no percent-encoding.
struct HostAndPort<'a> {
    host: &'a str,
    port: u16,
}

impl PartialEq for HostAndPort<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(other.host)
    }
}

impl<'a> HostAndPort<'a> {
    fn parse(text: &'a str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.rfind([':', ']']) {
            Some(at) if text.as_bytes()[at] == b':' => (&text[..at], Some(&text[at + 1..])),
            _ => (text, None),
        };
        let port = match port {
            None => default_port,
            // No leading zero, so that each port has one spelling.
            Some(digits) if !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
        };
        let is_host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<Ipv4Addr>().is_ok() || is_host_name(host),
        };
        is_host.then_some(Self { host, port })
    }
}

/// A name as the DNS and container networks have them (RFC 1123, and `_`), with one dot at the end allowed. Where
/// its last label is a number, URL parsers take it for an IPv4 address.
pub(crate) fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && label.bytes().any(|byte| byte.is_ascii_alphanumeric())
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Request};

    use super::*;

    fn head(version: Version, uri: &str, headers: &[(&'static str, &[u8])]) -> request::Parts {
        let mut request = Request::post(uri).version(version);
        for (name, value) in headers {
            request = request.header(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        request.body(()).unwrap().into_parts().0
    }

    const HOST: (&str, &[u8]) = ("host", b"h");
    const HTTP_1: Version = Version::HTTP_11;
    const HTTP_2: Version = Version::HTTP_2;

    #[test]
    fn a_host_is_one_name_or_address_with_an_optional_port() {
        let good: [&[u8]; 14] = [
            b"h",
            b"_srv.h",
            b"3com.example",
            b"0x1.h",
            b"xn--e1afmkfd",
            b"Hooks.Example.com",
            b"hooks.example.com.",
            b"a_b-c.d",
            b"h:8080",
            b"h:65535",
            b"127.0.0.1:80",
            b"[::1]",
            b"[::1]:8080",
            b"[::ffff:1.2.3.4]",
        ];
        for host in good {
            assert_eq!(check(&head(HTTP_1, "/x", &[("host", host)]), false), Ok(()), "{host:?}");
            assert_eq!(check(&head(HTTP_2, "/x", &[("host", host)]), false), Ok(()), "{host:?}");
        }
        let bad: [&[u8]; 46] = [
            b"999.999.999.999",
            b"127.0.0.01",
            b"127.1",
            b"1.2.3.4.",
            b"0x7f.1",
            b"0x7f000001",
            b"h.0X1",
            b"2130706433",
            b"-",
            b"_",
            b"-h",
            b"a.h-",
            b"h:0",
            b"h:00080",
            b"[fe80::1%1]",
            b"",
            b" ",
            b"a b",
            b"a\tb",
            b"\xff\xfe",
            b"a\xc3\xa4",
            b"h:",
            b":80",
            b":",
            b"h:a",
            b"h:+80",
            b"h:-1",
            b"h:65536",
            b"h:80:80",
            b"user@h",
            b"user:pass@h",
            b"@",
            b"h/",
            b"h?a",
            b"h#a",
            b"h\\x",
            b"h,g",
            b"h%61",
            b"[::1",
            b"::1",
            b"[h]",
            b"[::1]x",
            b"[]",
            b".",
            b"a..b",
            b".h",
        ];
        for host in bad {
            assert_eq!(check(&head(HTTP_1, "/x", &[("host", host)]), false), Err(Malformed::Host), "{host:?}");
            assert_eq!(check(&head(HTTP_2, "/x", &[("host", host)]), false), Err(Malformed::Host), "{host:?}");
        }
        for (length, expected) in [(63, Ok(())), (64, Err(Malformed::Host)), (300, Err(Malformed::Host))] {
            assert_eq!(check(&head(HTTP_1, "/x", &[("host", &vec![b'a'; length])]), false), expected, "{length}");
        }
    }

    #[test]
    fn there_is_one_host_and_http_1_1_needs_its_header() {
        for version in [Version::HTTP_10, HTTP_1, HTTP_2] {
            assert_eq!(check(&head(version, "/x", &[HOST, HOST]), false), Err(Malformed::Host), "{version:?}");
        }
        assert_eq!(check(&head(Version::HTTP_10, "/x", &[]), false), Ok(()));
        assert_eq!(check(&head(HTTP_1, "/x", &[]), false), Err(Malformed::Host));
        assert_eq!(check(&head(HTTP_1, "http://h/x", &[]), false), Err(Malformed::Host));
        assert_eq!(check(&head(HTTP_2, "/x", &[]), false), Err(Malformed::Host));
        assert_eq!(check(&head(HTTP_2, "http://h/x", &[]), false), Ok(()));
        assert_eq!(check(&head(HTTP_2, "http://user@h/x", &[]), false), Err(Malformed::Host));
    }

    #[test]
    fn the_target_and_the_header_name_the_same_host() {
        for version in [HTTP_1, HTTP_2] {
            for (target, host) in [("http://h/x", "h"), ("http://H:80/x", "h"), ("https://h/x", "h:443")] {
                assert_eq!(check(&head(version, target, &[("host", host.as_bytes())]), false), Ok(()), "{target}");
            }
            for (target, host) in [
                ("http://evil/x", "h"),
                ("http://h:81/x", "h"),
                ("https://h/x", "h:80"),
                ("http://h./x", "h"),
                ("http://user@h/x", "h"),
                ("ftp://h/x", "h"),
                ("file://h/x", "h"),
                ("httpss://h/x", "h"),
            ] {
                let checked = check(&head(version, target, &[("host", host.as_bytes())]), false);
                assert_eq!(checked, Err(Malformed::Host), "{target}");
            }
        }
    }

    #[test]
    fn a_transfer_encoding_is_exactly_chunked_and_alone() {
        let framed = |version, encodings: &[&'static [u8]], two_framings| {
            let headers: Vec<_> =
                encodings.iter().map(|encoding| ("transfer-encoding", *encoding)).chain([HOST]).collect();
            check(&head(version, "/x", &headers), two_framings)
        };
        assert_eq!(framed(HTTP_1, &[b"chunked"], false), Ok(()));
        assert_eq!(framed(HTTP_1, &[b"Chunked"], false), Ok(()));
        assert_eq!(framed(HTTP_1, &[b"chunked"], true), Err(Malformed::Framing));
        assert_eq!(framed(Version::HTTP_10, &[b"chunked"], false), Err(Malformed::Framing));
        assert_eq!(framed(HTTP_2, &[b"chunked"], false), Err(Malformed::Framing));
        assert_eq!(framed(HTTP_1, &[], true), Ok(()));
        let wrong: [&[&[u8]]; 8] = [
            &[b"chunked, chunked"],
            &[b"identity, chunked"],
            &[b"gzip, chunked"],
            &[b"xchunked"],
            &[b"identity"],
            &[b""],
            &[b"\"chunked\""],
            &[b"chunked", b"chunked"],
        ];
        for encodings in wrong {
            assert_eq!(framed(HTTP_1, encodings, false), Err(Malformed::Framing), "{encodings:?}");
        }
    }
}
