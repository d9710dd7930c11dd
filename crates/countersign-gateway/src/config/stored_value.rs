//! Confidential texts, which a configuration names and never contains.

use schemars::JsonSchema;
use serde::Deserialize;

use super::secrets::SecretOrigin;
use super::values::NonEmpty;

/// A secret value, named and never written: either an environment variable or a file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StoredValue", extend("oneOf" = [{ "required": ["env"] }, { "required": ["file"] }]))]
pub(super) struct StoredTable {
    /// The environment variable that contains the value.
    env: Option<NonEmpty>,
    /// The file that contains the value. A relative path starts at the directory of this configuration. One newline at the
    /// end is ignored.
    file: Option<NonEmpty>,
}

impl StoredTable {
    /// Where the value is stored, unless none or both of the places are given.
    pub(super) fn origin(self) -> Option<SecretOrigin> {
        match (self.env, self.file) {
            (Some(NonEmpty(name)), None) => Some(SecretOrigin::Env(name)),
            (None, Some(NonEmpty(path))) => Some(SecretOrigin::File(path)),
            _ => None,
        }
    }
}
