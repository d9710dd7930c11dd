//! The addresses of backends, and TLS towards them.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use rustls::pki_types::ServerName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::addresses::{check_authority, check_path};
use super::authorities::AuthoritiesSpec;
use super::error::Problem;
use super::key_path::KeyPath;
use super::listen_address::unix;
use super::tls::CertificateSpec;
use super::values::text;

const A_URL: &str = "an upstream is a URL, like \"http://127.0.0.1:3000\"";

/// The address of a backend, and the protocol that it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSpec {
    /// The protocol.
    pub scheme: UpstreamScheme,
    /// The host and port, sent as `Host`.
    pub authority: Authority,
    /// The Unix socket to connect to, in place of the host.
    pub socket: Option<PathBuf>,
    /// The path before that of the request, without a slash at the end. Often empty.
    pub path: String,
}

/// The protocol that a backend speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamScheme {
    /// HTTP/1.1 in plain text.
    #[default]
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 in plain text.
    H2c,
    /// HTTP/2 over TLS.
    H2,
}

impl UpstreamScheme {
    /// Whether connections begin with TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    /// Whether it is HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "h2c" => Some(Self::H2c),
            "h2" => Some(Self::H2),
            _ => None,
        }
    }
}

impl UpstreamSpec {
    /// The configured port, or the one of the scheme.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.scheme.is_tls() { 443 } else { 80 })
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// Its name in logs and metrics: the host and port, or the Unix socket.
    pub fn name(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{}", path.display()),
            None => self.authority.to_string(),
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            let socket = unix(path).map(Path::to_owned)?;
            let authority = Authority::from_static("localhost");
            return Ok(Self { scheme: UpstreamScheme::Http, authority, socket: Some(socket), path: String::new() });
        }
        let parts = text.parse::<Uri>().map_err(|_| A_URL)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(A_URL) };
        let scheme = UpstreamScheme::parse(scheme.as_str())
            .ok_or("an upstream begins with http://, https://, h2c:// (HTTP/2), h2:// (HTTP/2 over TLS) or unix:/")?;
        if text.contains(['#', '?']) {
            return Err("an upstream has no query and no fragment: a request keeps its own query");
        }
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
        check_authority(&authority)?;
        check_path(path)?;
        Ok(Self { scheme, authority, socket: None, path: path.to_owned() })
    }
}

impl fmt::Display for UpstreamSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name(), self.path)
    }
}

impl<'de> Deserialize<'de> for UpstreamSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a URL like \"http://127.0.0.1:3000\"", Self::parse)
    }
}

impl JsonSchema for UpstreamSpec {
    fn schema_name() -> Cow<'static, str> {
        "Upstream".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The URL of a backend: `http`, `https` (HTTP/1.1 over TLS), `h2c` (HTTP/2 without TLS) or `h2` (HTTP/2 over TLS), a host and a port. Default port: 80, with TLS 443. A path is put before that of each request. Or `unix:` and the absolute path of a Unix socket, for HTTP/1.1.",
            "type": "string",
            "pattern": "^(([Hh][Tt][Tt][Pp][Ss]?|[Hh]2[Cc]?)://[^/?#@]+(/[^?#]*)?|unix:/.*[^/])$",
            "examples": ["http://127.0.0.1:3000", "http://127.0.0.1:3000/hooks", "https://backend.internal", "unix:/run/app.sock"],
        })
    }
}

/// TLS towards the upstreams of a route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UpstreamTls")]
pub struct UpstreamTlsSpec {
    /// The authorities that issue the certificates of the upstreams: a PEM file, or "system" for those that this machine
    /// trusts. Default: the public authorities that browsers trust, which are compiled in.
    pub ca: Option<AuthoritiesSpec>,
    /// The certificate that the gateway presents. Default: none.
    pub certificate: Option<CertificateSpec>,
    /// The name that the upstreams' certificates have to be valid for, which is also sent as SNI. Default: the host of each
    /// upstream.
    #[serde(default, deserialize_with = "server_name")]
    #[schemars(with = "Option<String>", example = &"backend.internal")]
    pub server_name: Option<ServerName<'static>>,
}

fn server_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ServerName<'static>>, D::Error> {
    let name = text(deserializer, "a host name like \"backend.internal\", or an IP address", |text| {
        ServerName::try_from(text.to_owned()).map_err(|_| "a certificate is valid for host names and IP addresses")
    });
    name.map(Some)
}

/// Rejects TLS settings without an upstream that uses them, and hosts that no certificate can name.
pub(super) fn check_tls(
    upstreams: &[UpstreamSpec],
    tls: Option<&UpstreamTlsSpec>,
    route: &KeyPath,
) -> Result<(), Problem> {
    if tls.is_some() && !upstreams.iter().any(|upstream| upstream.scheme.is_tls()) {
        let message = "no upstream of the route uses TLS: write https:// or h2:// in `upstream`, or leave this out";
        return Err(Problem::at(&route.key("upstream_tls"), message));
    }
    let has_name = tls.is_some_and(|tls| tls.server_name.is_some());
    let is_nameless = |upstream: &UpstreamSpec| {
        upstream.scheme.is_tls() && !has_name && ServerName::try_from(upstream.host()).is_err()
    };
    match upstreams.iter().position(is_nameless) {
        Some(position) => {
            let message = "no certificate can be valid for this host: set `server_name` in `upstream_tls`";
            Err(Problem::at(&route.key("upstream").entry(position), message))
        }
        None => Ok(()),
    }
}
