//! The proxy through which a key set is fetched.

use std::borrow::Cow;
use std::fmt;

use countersign_jwks::http::Proxy;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::secrets::SecretOrigin;
use super::stored_value::StoredTable;

const FORM: &str = "a proxy is \"http://host:port\", or \"environment\" for the one in `HTTPS_PROXY`, or a URL with a password \
                    by its name: { env = \"NAME\" } or { file = \"PATH\" }";

/// The proxy through which a key set is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksProxySpec {
    /// The one at this URL, which has no credentials.
    Url(String),
    /// The one whose URL, possibly with credentials, is stored there.
    Stored(SecretOrigin),
    /// The one in `HTTPS_PROXY`, except for the hosts in `NO_PROXY`.
    Environment,
}

impl JsonSchema for JwksProxySpec {
    fn schema_name() -> Cow<'static, str> {
        "JwksProxy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let stored = generator.subschema_for::<StoredTable>();
        json_schema!({
            "anyOf": [{ "type": "string" }, stored],
            "examples": ["http://proxy.example.com:3128", "environment", { "env": "PROXY_URL" }],
        })
    }
}

impl<'de> Deserialize<'de> for JwksProxySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = JwksProxySpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a proxy like \"http://proxy.example.com:3128\" or \"environment\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JwksProxySpec, E> {
        if text == "environment" {
            return Ok(JwksProxySpec::Environment);
        }
        if text.contains('@') {
            let why = "credentials are not written here: put the whole URL into a variable or file, and name it: \
                       { env = \"NAME\" } or { file = \"PATH\" }";
            return Err(E::custom(why));
        }
        Proxy::parse(text).map(|_| JwksProxySpec::Url(text.to_owned())).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<JwksProxySpec, A::Error> {
        let table = StoredTable::deserialize(MapAccessDeserializer::new(map))?;
        table.origin().map(JwksProxySpec::Stored).ok_or_else(|| A::Error::custom(FORM))
    }
}
