//! The listeners for webhooks.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::addresses::AddressSpec;
use super::tls::TlsSpec;

/// A listener for webhooks: an address, or a table with an address and what precedes HTTP on its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSpec {
    /// The IP address and port.
    pub address: SocketAddr,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// TLS, if connections begin with it.
    pub tls: Option<TlsSpec>,
}

/// A listener in its long form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenTable")]
struct ListenTable {
    /// The IP address and port.
    address: AddressSpec,
    /// Whether a proxy in front of the gateway announces the address of each client with the PROXY protocol, version 1 or
    /// 2. Connections without its header are closed. Anyone who can connect can announce any address, so let only the
    /// proxy connect. Default: false.
    #[serde(default)]
    proxy_protocol: bool,
    /// TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1. The handshake must be complete within `head_timeout`. Default: plain
    /// text.
    tls: Option<TlsSpec>,
}

impl From<ListenTable> for ListenSpec {
    fn from(ListenTable { address: AddressSpec { address }, proxy_protocol, tls }: ListenTable) -> Self {
        Self { address, proxy_protocol, tls }
    }
}

impl<'de> Deserialize<'de> for ListenSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTable)
    }
}

struct TextOrTable;

impl<'de> Visitor<'de> for TextOrTable {
    type Value = ListenSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an IP address and a port, like \"127.0.0.1:8080\", or a table with `address`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ListenSpec, E> {
        let AddressSpec { address } = AddressSpec::deserialize(StrDeserializer::new(text))?;
        Ok(ListenSpec { address, proxy_protocol: false, tls: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListenSpec, A::Error> {
        ListenTable::deserialize(MapAccessDeserializer::new(map)).map(ListenSpec::from)
    }
}

impl JsonSchema for ListenSpec {
    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A listener for webhooks: an address, or a table with an address and what precedes HTTP on its connections.",
            "anyOf": [generator.subschema_for::<AddressSpec>(), generator.subschema_for::<ListenTable>()],
        })
    }
}
