//! One key of a JWKS document.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::public_key::PublicKey;
use super::rsa::RsaKey;
use crate::json::Value;

/// The members of a JWK. Unknown members are ignored, as RFC 7517 requires.
pub(super) struct Jwk<'a> {
    kty: &'a str,
    crv: Option<&'a str>,
    x: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    kid: Option<&'a str>,
    public_key_use: Option<&'a str>,
    key_ops: Option<&'a [Value<'a>]>,
    alg: Option<&'a str>,
}

impl<'a> Jwk<'a> {
    /// Returns `None` if the value is not an object, or a member is repeated or has the wrong type.
    pub(super) fn parse(key: &'a Value<'a>) -> Option<Self> {
        let Value::Object(key) = key else { return None };
        let key_ops = match key.get("key_ops") {
            None | Some(Value::Literal("null")) => None,
            Some(Value::Array(ops)) if ops.iter().all(|op| matches!(op, Value::String(_))) => Some(ops.as_slice()),
            Some(_) => return None,
        };
        key.has_unique_names().then_some(Self {
            kty: key.text("kty").ok()??,
            crv: key.text("crv").ok()?,
            x: key.text("x").ok()?,
            n: key.text("n").ok()?,
            e: key.text("e").ok()?,
            kid: key.text("kid").ok()?,
            public_key_use: key.text("use").ok()?,
            key_ops,
            alg: key.text("alg").ok()?,
        })
    }

    /// The Ed25519 key, if it can be used for `v1a`.
    pub(super) fn ed25519(&self) -> Option<PublicKey> {
        if self.kty != "OKP" || self.crv != Some("Ed25519") || !self.may_verify(&["EdDSA", "Ed25519"]) {
            return None;
        }
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(self.x?).ok()?.try_into().ok()?;
        PublicKey::from_bytes(&bytes, self.kid)
    }

    /// The RSA key, if it can be used for RS256.
    pub(super) fn rsa(&self) -> Option<RsaKey> {
        let is_usable = self.kty == "RSA" && self.may_verify(&["RS256"]);
        is_usable.then(|| RsaKey::from_jwk(self.n, self.e, self.kid))?
    }

    /// Whether the key may verify signatures with one of these algorithms.
    fn may_verify(&self, algorithms: &[&str]) -> bool {
        let is_verify = |op: &Value<'_>| matches!(op, Value::String(op) if op == "verify");
        self.public_key_use.is_none_or(|usage| usage == "sig")
            && self.key_ops.is_none_or(|ops| ops.iter().any(is_verify))
            && self.alg.is_none_or(|alg| algorithms.contains(&alg))
    }
}
