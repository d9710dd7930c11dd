//! The proxies in front of the gateway.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::key_path::KeyPath;
use super::values::text;

/// Trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySpec {
    /// A network. A single address is a network of one.
    Network(IpNet),
    /// The clients of all Unix sockets.
    Unix,
}

impl ProxySpec {
    /// The network, if it is one.
    pub fn network(&self) -> Option<IpNet> {
        match self {
            Self::Network(network) => Some(*network),
            Self::Unix => None,
        }
    }
}

impl<'de> Deserialize<'de> for ProxySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "an IP address or a network, like \"10.0.0.0/8\", or \"unix:\"", |text| match text {
            "unix:" => Ok(Self::Unix),
            text => parse(text).map(Self::Network),
        })
    }
}

impl JsonSchema for ProxySpec {
    fn schema_name() -> Cow<'static, str> {
        "Proxy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An IP address, a network in the form address/length, or `unix:` for the clients of all Unix sockets.",
            "type": "string",
            "pattern": r"^(unix:|[0-9A-Fa-f.:]+(/[0-9]+)?)$",
            "examples": ["10.0.0.0/8", "fd00::/8", "192.0.2.7", "unix:"],
        })
    }
}

fn parse(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| "write an IP address or a network, like \"10.0.0.0/8\", or \"unix:\"")?;
    if network.trunc() != network {
        return Err(format!(
            "the network of this address is \"{}\": write that, or the address alone",
            network.trunc()
        ));
    }
    match network {
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => {
            Err("this is an IPv4 network written as IPv6, which no peer has: write it as IPv4".into())
        }
        network => Ok(network),
    }
}

/// Warns of networks that are probably not meant.
pub(super) fn check(proxies: &[ProxySpec], at: &KeyPath, warnings: &mut Vec<Problem>) {
    for (position, proxy) in proxies.iter().enumerate() {
        if let Some(network) = proxy.network().filter(|network| network.prefix_len() == 0) {
            let message = format!(
                "`trusted_proxies` has {network}, so anyone who can connect can claim any address, scheme and host: list \
                 the networks of the proxies only"
            );
            warnings.push(Problem::at(&at.entry(position), message));
        }
    }
}
