//! The facts about the connection that a request arrived on.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;

/// The facts about a connection, in the extensions of each request that arrives on it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    peer: Peer,
    /// The address that `peer` is written from.
    peer_address: Address,
    scheme: Scheme,
    /// The address at the other end of the stream.
    address: Address,
    /// The proxy that reported the other facts, if one did.
    proxy: Option<Peer>,
    client: Option<HeaderValue>,
    host: Option<HeaderValue>,
    port: Option<u16>,
}

/// The facts about a client that a trusted proxy reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// How the client sent the request to the first proxy.
    pub scheme: Option<Scheme>,
    /// The host that the client named, perhaps with a port.
    pub host: Option<HeaderValue>,
    /// The port that the client connected to.
    pub port: Option<u16>,
}

/// The address at the other end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// A Unix socket. Its clients have no addresses of their own.
    Unix,
}

/// The address of the client, written out once for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(HeaderValue);

/// How the client sends its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In plain text.
    Http,
    /// Through TLS.
    Https,
}

impl Connection {
    /// A connection from this address. An IPv4 address that is written as an IPv6 address becomes IPv4 again.
    pub fn new(peer: impl Into<Address>, scheme: Scheme) -> Self {
        Self::from_client(peer, scheme, None)
    }

    /// The same, with the name in the certificate of the client if TLS has verified one.
    pub fn from_client(peer: impl Into<Address>, scheme: Scheme, client: Option<HeaderValue>) -> Self {
        let address = peer.into();
        let (proxy, host, port) = (None, None, None);
        Self(Arc::new(Facts {
            peer: Peer::new(address),
            peer_address: address,
            scheme,
            address,
            proxy,
            client,
            host,
            port,
        }))
    }

    /// The name in the verified certificate of the client, if it has one.
    pub fn client(&self) -> Option<&HeaderValue> {
        self.0.client.as_ref()
    }

    /// The same connection, from a proxy that reports these facts about the client.
    #[must_use]
    pub fn reports(&self, client: Client) -> Self {
        let Client { address, scheme, host, port } = client;
        Self(Arc::new(Facts {
            peer_address: address.map_or(self.0.peer_address, Address::from),
            peer: address.map_or_else(|| self.0.peer.clone(), |address| Peer::new(address.into())),
            scheme: scheme.unwrap_or(self.0.scheme),
            address: self.0.address,
            proxy: Some(Peer::new(self.0.address)),
            client: self.0.client.clone(),
            host,
            port,
        }))
    }

    /// The address at the other end of the stream, which may be that of a proxy.
    pub fn address(&self) -> Address {
        self.0.address
    }

    /// The trusted proxy that the request came through last, if any.
    pub fn proxy(&self) -> Option<&Peer> {
        self.0.proxy.as_ref()
    }

    /// The host that the client named, if a trusted proxy reports one. It is valid.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.0.host.as_ref()
    }

    /// The port that the client connected to, if a trusted proxy reports one.
    pub fn port(&self) -> Option<u16> {
        self.0.port
    }

    /// The address of the client.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// The same, to compare it.
    pub fn peer_address(&self) -> Address {
        self.0.peer_address
    }

    /// How the client sends its requests.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }
}

impl Address {
    /// What tells clients apart: an IPv4 address, or the /64 network of an IPv6 address, all of which one client may have.
    pub fn network(self) -> Option<IpAddr> {
        match self {
            Self::Ip(IpAddr::V6(address)) => {
                let network = u128::from(address) >> 64 << 64;
                Some(IpAddr::V6(network.into()))
            }
            Self::Ip(address) => Some(address),
            Self::Unix => None,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address.to_canonical())
    }
}

/// A Unix socket is `unix:`, as in nginx.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix:"),
        }
    }
}

impl Peer {
    pub(crate) fn new(address: Address) -> Self {
        #[expect(clippy::expect_used, reason = "letters, digits, dots and colons are valid in a header")]
        Self(HeaderValue::from_str(&address.to_string()).expect("an address is visible ASCII"))
    }

    /// The address as the value of a header.
    pub fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The address as text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

impl Scheme {
    /// The name, as in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_written_as_ipv4() {
        for (address, written) in [("127.0.0.1", "127.0.0.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("::1", "::1")] {
            let connection = Connection::new(address.parse::<IpAddr>().unwrap(), Scheme::Https);
            assert_eq!(connection.peer().to_string(), written);
            assert_eq!(connection.peer().as_bytes(), written.as_bytes());
            assert_eq!(connection.scheme().as_str(), "https");
        }
    }
}
