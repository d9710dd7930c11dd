//! Requirements for tokens.

use countersign::TokenPolicy;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::error::Problem;
use super::key_path::KeyPath;
use super::values::{NonEmpty, strings, text};

/// How the requirements are written.
pub(super) const FORM: &str = "tokens are accepted with { audience = [\"the URL of this endpoint\"] }, with `issuer = […]` \
                               and `typ = […]` if needed";

/// What a signed token (RS256) must contain to be accepted in place of a signature. Needs `jwks`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Token")]
pub struct TokenSpec {
    /// The accepted audiences, at least one. A token must name one of them, usually the URL of this endpoint.
    #[serde(default, deserialize_with = "strings")]
    #[schemars(with = "Vec<NonEmpty>", required, length(min = 1))]
    pub audience: Vec<String>,
    /// The accepted issuers. Default: any issuer.
    #[serde(default, deserialize_with = "strings")]
    #[schemars(with = "Vec<NonEmpty>")]
    pub issuer: Vec<String>,
    /// Accepted values of `typ` in the token's header, in addition to none and `JWT`.
    #[serde(default, deserialize_with = "strings")]
    #[schemars(with = "Vec<NonEmpty>")]
    pub typ: Vec<String>,
    /// Whether tokens that do not bind the body are accepted, with `danger_body_binding = "none"`. Anyone who sees such a
    /// token can send it again with any other body. Default: rejected.
    #[serde(rename = "danger_body_binding", default, deserialize_with = "is_none")]
    #[schemars(schema_with = "none")]
    pub danger_unbound_bodies: bool,
}

impl TokenSpec {
    /// The policy that requires this.
    pub(crate) fn policy(&self) -> TokenPolicy {
        let policy = TokenPolicy::new(self.audience.clone()).issuer(self.issuer.clone()).typ(self.typ.clone());
        if self.danger_unbound_bodies { policy.danger_accept_unbound_bodies() } else { policy }
    }

    pub(super) fn check(&self, source: &str, has_jwks: bool, warnings: &mut Vec<Problem>) -> Result<(), Problem> {
        let at = KeyPath::source(source).key("token");
        for (key, texts) in [("audience", &self.audience), ("issuer", &self.issuer), ("typ", &self.typ)] {
            let is_odd = |text: &String| text.trim() != text.as_str() || text == "*";
            if let Some(position) = texts.iter().position(is_odd) {
                let text = &texts[position];
                let message = format!(
                    "{text:?} is compared as it is, so no token has it: write the value that the tokens contain"
                );
                return Err(Problem::at(&at.key(key).entry(position), message));
            }
        }
        if self.audience.is_empty() {
            return Err(Problem::at(&at.key("audience"), format!("`audience` is missing or empty: {FORM}")));
        }
        if !has_jwks {
            let message = "tokens are verified with the keys of a set: add jwks = { url = \"https://…\" }";
            return Err(Problem::at(&at, message));
        }
        if self.danger_unbound_bodies {
            let message = format!(
                "danger: `{source}` accepts tokens that do not bind the body (`danger_body_binding`): anyone who sees one \
                 can send it again with any other body"
            );
            warnings.push(Problem::at(&at, message));
        }
        Ok(())
    }
}

fn is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    text(deserializer, "\"none\" or absent", |binding| match binding {
        "none" => Ok(true),
        _ => Err(
            "`danger_body_binding` must be \"none\" or absent; anyone who sees a token that does not bind the body can \
                  send it again with any other body",
        ),
    })
}

fn none(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": "none" })
}
