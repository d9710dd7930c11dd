//! The listeners for webhooks.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::key_path::KeyPath;
use super::listen_address::ListenAddress;
use super::tls::TlsSpec;
use super::values::text;

/// The mode of a Unix socket without `mode`: its owner and group may connect.
const DEFAULT_MODE: u32 = 0o660;

/// A listener for webhooks: an address, or a table with an address and what precedes HTTP on its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSpec {
    /// Where it listens.
    pub address: ListenAddress,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// TLS, if connections begin with it.
    pub tls: Option<TlsSpec>,
    mode: Option<u32>,
}

/// A listener in its long form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenTable")]
struct ListenTable {
    /// Where it listens.
    address: ListenAddress,
    /// Whether a proxy in front of the gateway announces the address of each client with the PROXY protocol, version 1 or
    /// 2. Connections without its header are closed. Anyone who can connect can announce any address, so let only the
    /// proxy connect. Default: false.
    #[serde(default)]
    proxy_protocol: bool,
    /// TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1. The handshake must be complete within `head_timeout`. Default: plain
    /// text.
    tls: Option<TlsSpec>,
    /// Who may connect to a Unix socket: the mode of its file, in octal digits. Default: "0660", its owner and group.
    #[serde(default, deserialize_with = "mode")]
    #[schemars(schema_with = "mode_schema")]
    mode: Option<u32>,
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    text(deserializer, "a file mode like \"0660\"", |text| {
        let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
        mode.map(Some).ok_or("a file mode has three octal digits, perhaps after a zero, like \"0660\"")
    })
}

fn mode_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^0?[0-7]{3}$", "examples": ["0660", "0666"] })
}

impl ListenSpec {
    /// A listener in plain text.
    pub(crate) fn at(address: ListenAddress) -> Self {
        Self { address, proxy_protocol: false, tls: None, mode: None }
    }

    /// The mode of the file of a Unix socket.
    pub fn mode(&self) -> u32 {
        self.mode.unwrap_or(DEFAULT_MODE)
    }

    /// Rejects values that cannot work together. `others` precede it.
    pub(super) fn check(&self, at: &KeyPath, others: &[Self]) -> Result<(), Problem> {
        if self.mode.is_some() && !matches!(self.address, ListenAddress::Unix(_)) {
            return Err(Problem::at(&at.key("mode"), "`mode` is for Unix sockets, like \"unix:/run/gateway.sock\""));
        }
        // Overlapping IP addresses are found where the admin listener is known.
        if self.address.ip().is_none() && others.iter().any(|other| other.address == self.address) {
            let message = format!("`listen` has {} twice: leave one out", self.address);
            return Err(Problem::at(at, message));
        }
        self.tls.as_ref().map_or(Ok(()), |tls| tls.check(&at.key("tls")))
    }
}

impl From<ListenTable> for ListenSpec {
    fn from(ListenTable { address, proxy_protocol, tls, mode }: ListenTable) -> Self {
        Self { address, proxy_protocol, tls, mode }
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
        let address = ListenAddress::deserialize(StrDeserializer::new(text))?;
        Ok(ListenSpec { address, proxy_protocol: false, tls: None, mode: None })
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
            "anyOf": [generator.subschema_for::<ListenAddress>(), generator.subschema_for::<ListenTable>()],
        })
    }
}
