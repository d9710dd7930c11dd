//! Destinations that fetch their messages.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::secrets::SecretOrigin;
use super::stored_value::StoredTable;

/// A destination whose backend fetches its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PullTable")]
pub struct PullSpec {
    /// Where the token is stored that the backend has to send.
    pub token: Option<SecretOrigin>,
}

/// A destination whose backend fetches its messages from the listener `pull`, because the gateway cannot reach it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pull")]
struct PullTable {
    /// The token that the backend sends as `Authorization: Bearer TOKEN`: 16 to 4096 visible ASCII characters. It may be left
    /// out if `pull` in `[server]` listens on a loopback address or a Unix socket.
    token: Option<StoredTable>,
}

impl TryFrom<PullTable> for PullSpec {
    type Error = &'static str;

    fn try_from(PullTable { token }: PullTable) -> Result<Self, Self::Error> {
        let Some(token) = token else { return Ok(Self::default()) };
        let origin = token.origin().ok_or("a `token` is named: { env = \"NAME\" } or { file = \"PATH\" }")?;
        Ok(Self { token: Some(origin) })
    }
}

impl JsonSchema for PullSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        PullTable::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PullTable::json_schema(generator)
    }
}
