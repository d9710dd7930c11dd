//! Addresses to listen on, addresses of backends, and conflicts between them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use http::uri::Authority;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::key_path::KeyPath;
use super::values::text;
use crate::path::PathPattern;
use crate::serve::head::is_host_name;

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSpec {
    /// The IP address and port.
    pub address: SocketAddr,
}

impl<'de> Deserialize<'de> for AddressSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "an IP address and a port, like \"127.0.0.1:8080\"", |text| {
            listener(text).map(|address| Self { address })
        })
    }
}

impl JsonSchema for AddressSpec {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An IP address and a port, IPv6 in brackets. `0.0.0.0` and `[::]` mean all addresses of the machine.",
            "type": "string",
            "pattern": r"^([0-9.]+|\[[^\]]+\]):[0-9]+$",
            "examples": ["127.0.0.1:8080", "[::]:8080"],
        })
    }
}

pub(super) fn listener(text: &str) -> Result<SocketAddr, &'static str> {
    let address: SocketAddr =
        text.parse().map_err(|_| "an address is an IP and a port, like \"127.0.0.1:8080\" or \"[::]:8080\"")?;
    if address.port() == 0 {
        return Err("port 0 means any free port, which nobody would know: write a port from 1 to 65535");
    }
    if !address.ip().is_unspecified() && !is_of_one_machine(address.ip()) {
        return Err("no machine has this address: listen on one of this machine's, or on 0.0.0.0 or [::] for all");
    }
    Ok(address)
}

/// Checks the addresses of the server: no two may want the same port of the same interface.
pub(super) fn check_listeners(
    listen: &[(usize, SocketAddr)],
    admin: Option<SocketAddr>,
    warnings: &mut Vec<Problem>,
) -> Result<(), Problem> {
    let server = KeyPath::server();
    let webhooks = listen.iter().map(|(position, own)| (KeyPath::listener(*position), "listen", own));
    let all = webhooks.chain(admin.iter().map(|own| (server.key("admin"), "admin", own)));
    let mut taken: Vec<(SocketAddr, &str)> = Vec::new();
    for (at, key, &address) in all {
        if let Some((other, of)) = taken.iter().find(|(other, _)| overlap(*other, address)) {
            let why = if *other == address {
                String::new()
            } else if other.ip().is_unspecified() || address.ip().is_unspecified() {
                format!(", which overlaps with {other}")
            } else {
                format!(", which is the same as {other}")
            };
            let message = format!("`{key}` is {address}{why}: that is taken by `{of}` already; use another port");
            return Err(Problem::at(&at, message));
        }
        taken.push((address, key));
    }
    if let Some(address) = admin.filter(|admin| !admin.ip().to_canonical().is_loopback()) {
        let message = format!(
            "`admin` listens on {address}, not on loopback: anyone who can reach it can read the names of routes and sources, \
             and how many deliveries each has; use 127.0.0.1, or keep others away from it"
        );
        warnings.push(Problem::at(&server.key("admin"), message));
    }
    Ok(())
}

/// Whether both cannot be listened on at once. `[::]` takes IPv4 as well.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (first, second) = (one.ip().to_canonical(), other.ip().to_canonical());
    let covers =
        |any: IpAddr, ip: IpAddr| any.is_unspecified() && (any.is_ipv6() || ip.is_ipv4() || ip.is_unspecified());
    one.port() == other.port() && (first == second || covers(first, second) || covers(second, first))
}

/// Checks a path that replaces the beginning of others. It has no slash at the end.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    match PathPattern::parse(path) {
        _ if path.is_empty() => Ok(()),
        _ if path.starts_with("//") => Err("a path begins with one slash, like \"/hooks\""),
        Ok(PathPattern::Exact(_)) => Ok(()),
        Ok(PathPattern::Below(_)) => Err("leave out `*`: the path is the beginning of others, like \"/hooks\""),
        Err(error) => Err(error),
    }
}

pub(super) fn check_authority(authority: &Authority) -> Result<(), &'static str> {
    if authority.as_str().contains('@') {
        return Err("an upstream has no user name");
    }
    let host = authority.host();
    if let Some(port) = authority.as_str().strip_prefix(host).filter(|port| !port.is_empty()) {
        let digits = port.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if !digits.is_some_and(|digits| matches!(digits.parse::<u16>(), Ok(1..))) {
            return Err("the port of an upstream is a number from 1 to 65535; without one, leave out the colon");
        }
    }
    match ip_of(host) {
        Some(ip) if ip.is_unspecified() => Err("this is an address to listen on: write that of the backend"),
        Some(ip) if !is_of_one_machine(ip) => {
            Err("no machine can be reached at this address: write that of the backend")
        }
        Some(_) => Ok(()),
        None if is_host_name(host) => Ok(()),
        None => Err("the host of an upstream is a name, like \"backend.internal\", or an IP address, IPv6 in brackets"),
    }
}

/// Whether a single machine may have this address. One of a link needs the name of the link, which cannot be written.
fn is_of_one_machine(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !matches!(ip.octets()[0], 0 | 224..),
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified() && !ip.is_unicast_link_local(),
    }
}

/// What tells two backends apart, however they are written: a loopback name is its address.
pub(super) fn identity(backend: &Authority, port: u16) -> (String, u16) {
    let name = backend.host().trim_end_matches('.').to_ascii_lowercase();
    let host = match ip_of(&name) {
        Some(ip) => ip.to_string(),
        None if is_loopback_name(&name) => Ipv4Addr::LOCALHOST.to_string(),
        None => name,
    };
    (host, port)
}

fn is_loopback_name(name: &str) -> bool {
    matches!(name, "localhost" | "ip6-localhost" | "ip6-loopback" | "localhost.localdomain")
        || name.ends_with(".localhost")
}

/// Whether this machine calls itself so, whole or up to the first dot.
fn is_own_name(name: &str) -> bool {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_ascii_lowercase();
    !own.is_empty() && (name == own || own.split('.').next() == Some(name))
}

/// Whether a request may name this host: a name, or an IP address, IPv6 in brackets.
pub(super) fn is_host(host: &str) -> bool {
    ip_of(host).map_or_else(|| is_host_name(host), |ip| !ip.is_unspecified())
}

/// The address that this host is, if it is one.
fn ip_of(host: &str) -> Option<IpAddr> {
    let ip = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => IpAddr::V6(v6.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(host.parse().ok()?),
    };
    Some(ip.to_canonical())
}

/// Which of the gateway's own addresses a request to this backend would arrive at, if it would.
pub(super) fn loops_back(backend: &Authority, port: u16, listeners: &[SocketAddr]) -> Option<SocketAddr> {
    let name = backend.host().trim_end_matches('.').to_ascii_lowercase();
    let ips = match ip_of(backend.host()) {
        Some(ip) => vec![ip],
        None if is_loopback_name(&name) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        // Whichever address that resolves to, it is one of this machine.
        None if is_own_name(&name) => {
            return listeners.iter().find(|own| own.port() == port && own.ip().is_unspecified()).copied();
        }
        None => return None,
    };
    let arrives = |listener: &&SocketAddr| {
        let own = listener.ip().to_canonical();
        let at = |ip: &IpAddr| own == *ip || (overlap(**listener, SocketAddr::new(*ip, port)) && is_local(*ip));
        listener.port() == port && ips.iter().any(at)
    };
    listeners.iter().find(arrives).copied()
}

/// Whether this machine has this address.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_where_the_system_says_that_they_are_in_use() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (one, other, overlaps) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::]:80", "0.0.0.0:80", true),
            ("[::]:80", "[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::1]:80", false),
        ] {
            assert_eq!(overlap(address(one), address(other)), overlaps, "{one} {other}");
            assert_eq!(overlap(address(other), address(one)), overlaps, "{other} {one}");
        }
    }

    #[test]
    fn a_backend_that_is_the_gateway_itself_is_known() {
        let listeners = ["127.0.0.1:80", "0.0.0.0:8080", "[::1]:81"].map(|text| text.parse().unwrap());
        let loops = |text: &str| {
            let backend: Authority = text.parse().unwrap();
            loops_back(&backend, backend.port_u16().unwrap_or(80), &listeners).is_some()
        };
        for backend in [
            "127.0.0.1",
            "localhost:80",
            "a.localhost.",
            "127.9.9.9:8080",
            "[::ffff:127.0.0.1]",
            "[::1]:81",
            "ip6-localhost:81",
        ] {
            assert!(loops(backend), "{backend}");
        }
        let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert!(loops(&format!("{}:8080", own.trim())) && !loops(&format!("{}:80", own.trim())));
        for backend in ["127.0.0.2", "127.0.0.1:81", "[::1]", "192.0.2.1:8080", "backend:8080"] {
            assert!(!loops(backend), "{backend}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in
            ["h", "localhost", "backend.internal.", "my_app-1", "127.0.0.1", "[::1]", "3com.example", "xn--e1afmkfd"]
        {
            assert_eq!(check_authority(&host.parse().unwrap()), Ok(()), "{host}");
        }
        let is_rejected =
            |text: &str| text.parse::<Authority>().map_or(true, |authority| check_authority(&authority).is_err());
        for host in [
            "a..b",
            ".a",
            "-a",
            "a-",
            "a!b",
            "256.0.0.1",
            "1.2.3",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0X7F000001",
            "[::g]",
            "[1.2.3.4]",
            "0.0.0.0",
            "[::]",
            "[::ffff:0.0.0.0]",
            "224.0.0.1",
            "[ff02::1]",
            "255.255.255.255",
            "240.0.0.1",
            "0.0.0.1",
            "[fe80::1]",
            "$(HOST)",
            "a~b",
        ] {
            assert!(is_rejected(host), "{host}");
        }
        for port in [":", ":0", ":65536", ":99999", ":00", ":18446744073709551617"] {
            assert!(is_rejected(&format!("h{port}")), "{port}");
        }
    }
}
