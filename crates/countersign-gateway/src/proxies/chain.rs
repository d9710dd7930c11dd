//! Finds the client in a chain of addresses, and reads single facts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderValue;
use ipnet::IpNet;

use crate::connection::Scheme;
use crate::serve::head::port_of;

/// Older elements of a chain are not looked at.
pub(super) const MAX_HOPS: usize = 64;

/// Headers that cannot be read, or that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The networks of trusted proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks(Box<[IpNet]>);

impl Networks {
    pub(super) fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    pub(super) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// One element of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Address(IpAddr),
    /// A proxy knows the address and does not tell it: `unknown`, or a name that begins with `_`.
    Hidden,
}

impl Node {
    /// Reads an address, perhaps with a port. IPv6 addresses may be without brackets if there is no port.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let text = str::from_utf8(text).map_err(|_| Malformed)?;
        if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
            return Ok(Self::Hidden);
        }
        let address: Option<IpAddr> = text.parse().ok().or_else(|| with_port(text));
        address.map(|address| Self::Address(address.to_canonical())).ok_or(Malformed)
    }
}

/// An address with a port, or in brackets.
fn with_port(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_valid = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return address.parse::<Ipv6Addr>().ok().filter(|_| is_valid).map(IpAddr::from);
    }
    let (address, port) = text.split_once(':')?;
    address.parse::<Ipv4Addr>().ok().filter(|_| is_port(port)).map(IpAddr::from)
}

/// A port, or an obfuscated one (RFC 7239, section 6).
fn is_port(text: &str) -> bool {
    text.starts_with('_') || text.parse::<u16>().is_ok()
}

/// The client in a chain of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its address, or that of the trusted proxy next to it if it is hidden.
    pub(super) address: Option<IpAddr>,
    /// The position of its element, from the end.
    pub(super) position: usize,
}

/// Walks a chain from its end, past trusted proxies, to the first address of another one. If all are trusted, the first
/// one is the client. What is before the client is its own word, and not looked at.
pub(super) fn find(
    from_end: impl Iterator<Item = Result<Node, Malformed>>,
    trusted: &Networks,
) -> Result<Option<Found>, Malformed> {
    let mut found = None;
    for (position, node) in from_end.take(MAX_HOPS).enumerate() {
        let nearer = found.and_then(|Found { address, .. }| address);
        let (address, is_last) = match node? {
            Node::Address(address) => (Some(address), !trusted.contain(address)),
            Node::Hidden => (nearer, true),
        };
        found = Some(Found { address, position });
        if is_last {
            break;
        }
    }
    Ok(found)
}

pub(super) fn scheme(text: &[u8]) -> Result<Scheme, Malformed> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
        .ok_or(Malformed)
}

/// A host, and the port in it.
pub(super) fn host(text: &[u8]) -> Result<(HeaderValue, Option<u16>), Malformed> {
    let host = str::from_utf8(text).map_err(|_| Malformed)?;
    let port = port_of(host).map_err(|_| Malformed)?;
    Ok((HeaderValue::from_str(host).map_err(|_| Malformed)?, port))
}

pub(super) fn port(text: &[u8]) -> Result<u16, Malformed> {
    let digits = str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0).ok_or(Malformed)
}
