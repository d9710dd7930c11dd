//! Traces for OpenTelemetry.

use http::Uri;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::addresses::{check_authority, check_path};
use super::authorities::AuthoritiesSpec;
use super::jwks_proxy::JwksProxySpec;
use super::set_headers::{self, SetHeaderSpec};
use super::share::Share;
use super::values::{NonEmpty, text};

const A_URL: &str = "write the URL of a collector, like \"http://127.0.0.1:4318\"";
/// What a collector calls its endpoint for traces.
const PATH: &str = "/v1/traces";

/// Traces of requests, which are sent to an OpenTelemetry collector. Default: none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Telemetry")]
pub struct TelemetrySpec {
    /// The base URL of the collector, which accepts OTLP over HTTP: `http` or `https`. `/v1/traces` is appended.
    #[serde(deserialize_with = "url")]
    #[schemars(with = "String", regex(pattern = "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+(/[^?#]*)?$"), example = &"http://127.0.0.1:4318")]
    pub otlp: Uri,
    /// The share of requests that are traced, from 0 for none to 1 for all. A request with a valid `traceparent` is traced
    /// if its sampled flag is set, whatever the share. Default: 1.
    #[serde(default)]
    pub sample: Share,
    /// The name of this service in traces. Default: "countersign-gateway".
    #[serde(default = "default_service_name")]
    service_name: NonEmpty,
    /// The headers that the collector gets, for example for authentication. The value is a text, or a secret by its name.
    /// Default: none.
    #[serde(default, deserialize_with = "set_headers::deserialize")]
    #[schemars(schema_with = "set_headers::schema")]
    pub headers: Vec<SetHeaderSpec>,
    /// The certificate authorities to trust: a PEM file, or "system" for those that this machine trusts. Default: the public
    /// ones, which are compiled in.
    #[serde(default)]
    pub ca: Option<AuthoritiesSpec>,
    /// The proxy (CONNECT) to the collector, in the forms of a key set's `proxy`. Default: none.
    #[serde(default)]
    pub proxy: Option<JwksProxySpec>,
}

impl TelemetrySpec {
    /// The name of this service in traces.
    pub fn service_name(&self) -> &str {
        &self.service_name.0
    }
}

fn default_service_name() -> NonEmpty {
    NonEmpty("countersign-gateway".into())
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
    text(deserializer, "a URL like \"http://127.0.0.1:4318\"", parse)
}

/// The URL for traces.
fn parse(base: &str) -> Result<Uri, &'static str> {
    if base.contains(['#', '?']) {
        return Err("the URL of a collector has no query and no fragment");
    }
    let mut parts = base.parse::<Uri>().map_err(|_| A_URL)?.into_parts();
    if !parts.scheme.as_ref().is_some_and(|scheme| ["http", "https"].contains(&scheme.as_str())) {
        return Err("the URL of a collector begins with http:// or https://: OTLP over HTTP, usually on port 4318");
    }
    let authority = parts.authority.as_ref().ok_or(A_URL)?;
    if authority.as_str().contains('@') {
        return Err("credentials are not written here: add a header to `headers`, and name its value");
    }
    check_authority(authority).map_err(|_| A_URL)?;
    let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
    check_path(path).map_err(|_| A_URL)?;
    if path.ends_with(PATH) {
        return Err("`/v1/traces` is appended: leave it out");
    }
    parts.path_and_query = Some(format!("{path}{PATH}").parse().map_err(|_| A_URL)?);
    Uri::from_parts(parts).map_err(|_| A_URL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_for_traces_is_appended() {
        for (base, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otlp.example.com/", "https://otlp.example.com/v1/traces"),
            ("https://example.com/otlp/", "https://example.com/otlp/v1/traces"),
        ] {
            assert_eq!(parse(base).unwrap().to_string(), expected);
        }
        for base in [
            "",
            "127.0.0.1:4318",
            "grpc://127.0.0.1:4317",
            "http://user@collector",
            "http://collector/?a",
            "http://collector/v1/traces",
        ] {
            assert!(parse(base).is_err(), "{base}");
        }
    }
}
