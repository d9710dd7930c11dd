//! The token of the commands of the admin listener.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::hide;
use super::values::NonEmpty;

/// A bearer token, named and never written.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminToken")]
pub struct AdminTokenSpec {
    /// The file that contains the token: 16 to 4096 visible ASCII characters. A relative path starts at the directory of this
    /// configuration. One newline at the end is ignored.
    file: NonEmpty,
}

impl AdminTokenSpec {
    /// The path of the file.
    pub fn file(&self) -> &str {
        &self.file.0
    }
}

impl fmt::Debug for AdminTokenSpec {
    /// Hides a token that was pasted in place of a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdminTokenSpec").field(&hide::path(self.file(), Path::new(""))).finish()
    }
}
