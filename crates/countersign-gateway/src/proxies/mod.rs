//! What trusted proxies in front of the gateway report about a client.
//!
//! `forwarded.rs` reads `Forwarded` (RFC 7239), `x_forwarded.rs` the older `X-Forwarded-*`, and `chain.rs` finds the client
//! in the chain of addresses of either.

mod chain;
mod forwarded;
#[cfg(test)]
mod tests;
mod x_forwarded;

use http::HeaderMap;
use ipnet::IpNet;

use crate::connection::{Address, Client, Connection};
use chain::{Malformed, Networks};

/// The proxies in front of the gateway.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Networks,
    /// Whether the clients of Unix sockets are trusted proxies.
    unix: bool,
}

impl TrustedProxies {
    /// The proxies in these networks are trusted, and with `unix` the clients of Unix sockets.
    pub fn new(networks: impl IntoIterator<Item = IpNet>, unix: bool) -> Self {
        Self { networks: Networks::new(networks), unix }
    }

    /// Whether a connection from this address comes from a trusted proxy.
    pub fn contain(&self, address: Address) -> bool {
        match address {
            Address::Ip(address) => self.networks.contain(address),
            Address::Unix => self.unix,
        }
    }

    /// The facts about a request on this connection, if it comes from a trusted proxy that reports any. Headers of
    /// others, malformed ones, and ones that contradict each other do not count.
    pub fn reported(&self, connection: &Connection, headers: &HeaderMap) -> Option<Connection> {
        if !self.contain(connection.address()) {
            return None;
        }
        let client = client(headers, &self.networks).ok().flatten()?;
        Some(connection.reports(client))
    }
}

/// The client that the headers of a trusted proxy tell of, if they tell of one.
///
/// A proxy often writes one kind of header and passes on the other as it came. So neither takes precedence: if there are
/// both, they must agree.
fn client(headers: &HeaderMap, trusted: &Networks) -> Result<Option<Client>, Malformed> {
    match (forwarded::read(headers, trusted)?, x_forwarded::read(headers, trusted)?) {
        (Some(one), Some(other)) => both(one, other).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

fn both(one: Client, other: Client) -> Result<Client, Malformed> {
    Ok(Client {
        address: agreed(one.address, other.address, |a, b| a == b)?,
        scheme: agreed(one.scheme, other.scheme, |a, b| a == b)?,
        host: agreed(one.host, other.host, |a, b| a.as_bytes().eq_ignore_ascii_case(b.as_bytes()))?,
        port: agreed(one.port, other.port, |a, b| a == b)?,
    })
}

fn agreed<T>(one: Option<T>, other: Option<T>, is_same: impl Fn(&T, &T) -> bool) -> Result<Option<T>, Malformed> {
    match (one, other) {
        (Some(one), Some(other)) if !is_same(&one, &other) => Err(Malformed),
        (one, other) => Ok(one.or(other)),
    }
}
