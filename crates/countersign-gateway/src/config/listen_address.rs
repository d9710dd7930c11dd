//! Where a listener for webhooks listens.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::addresses::listener;
use super::values::text;

/// The longest path of a Unix socket, in bytes. The kernel has room for 107 and a zero.
const MAX_PATH: usize = 107;
/// The longest name of a socket that systemd passes.
const MAX_NAME: usize = 255;

/// Where a listener for webhooks listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// The sockets of this name that systemd opens and passes to the process.
    Systemd(String),
}

impl ListenAddress {
    /// The IP address and port, if it has them.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) | Self::Systemd(_) => None,
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            unix(path).map(|path| Self::Unix(path.to_owned()))
        } else if let Some(name) = text.strip_prefix("systemd:") {
            systemd(name).map(|name| Self::Systemd(name.to_owned()))
        } else {
            listener(text).map(Self::Ip)
        }
    }
}

pub(super) fn unix(path: &str) -> Result<&Path, &'static str> {
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(
            "the path of a Unix socket begins with a slash and names a file, like \"unix:/run/countersign/gateway.sock\"",
        );
    }
    if path.len() > MAX_PATH {
        return Err("the path of a Unix socket has at most 107 bytes: use a shorter one");
    }
    Ok(Path::new(path))
}

fn systemd(name: &str) -> Result<&str, &'static str> {
    let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_name) {
        Ok(name)
    } else {
        Err("write `FileDescriptorName=` of the socket unit, like \"systemd:webhooks\"; its default is the unit's name")
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "an address like \"127.0.0.1:8080\" or \"unix:/run/gateway.sock\"", Self::parse)
    }
}

impl JsonSchema for ListenAddress {
    fn schema_name() -> Cow<'static, str> {
        "ListenAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An IP address and a port, IPv6 in brackets; `unix:` and the absolute path of a Unix socket; or `systemd:` and the name of sockets that systemd passes (`FileDescriptorName=`). `0.0.0.0` and `[::]` mean all addresses of the machine.",
            "type": "string",
            "pattern": r"^(([0-9.]+|\[[^\]]+\]):[0-9]+|unix:/.*[^/]|systemd:[!-9;-~]+)$",
            "examples": ["127.0.0.1:8080", "[::]:8080", "unix:/run/countersign/gateway.sock", "systemd:webhooks"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in ["127.0.0.1:8080", "[::]:80", "unix:/run/a b.sock", "systemd:countersign-gateway.socket"] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), text);
        }
        let long = format!("unix:/{}", "a".repeat(MAX_PATH));
        assert!(ListenAddress::parse(&long[..long.len() - 1]).is_ok());
        for text in
            ["", "localhost:80", "unix:", "unix:a.sock", "unix:/run/", &long, "systemd:", "systemd:a:b", "systemd:ä"]
        {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }
}
