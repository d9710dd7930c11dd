//! One key of a JWKS document.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::public_key::PublicKey;
use super::rsa::RsaKey;
use super::skipped::{SkipReason, shown};
use crate::json::{Object, Value};

/// The members of a private key (RFC 7518, 6.3.2, and RFC 8037, 2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

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
    has_certificate: bool,
    /// Whether the members of a private key are there.
    pub(super) is_private: bool,
}

/// A key that deliveries can be verified with.
#[cfg_attr(
    all(feature = "v1a", not(feature = "rs256")),
    expect(clippy::large_enum_variant, reason = "there is no `RsaKey` then")
)]
pub(super) enum Usable {
    Ed25519(PublicKey),
    Rsa(RsaKey),
}

impl Usable {
    /// Whether both have the same private half, whatever their names are.
    pub(super) fn has_same_private_half(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ed25519(one), Self::Ed25519(other)) => one.key() == other.key(),
            (Self::Rsa(one), Self::Rsa(other)) => one.has_same_numbers(other),
            _ => false,
        }
    }
}

impl<'a> Jwk<'a> {
    /// Parses an object whose members have the types of RFC 7517.
    pub(super) fn parse(key: &'a Value<'a>) -> Result<Self, SkipReason> {
        let Value::Object(key) = key else { return Err("it is not a JSON object".into()) };
        if !key.has_unique_names() {
            return Err("one of its members is repeated".into());
        }
        let key_ops = match key.get("key_ops") {
            None | Some(Value::Literal("null")) => None,
            Some(Value::Array(ops)) if ops.iter().all(|op| matches!(op, Value::String(_))) => Some(ops.as_slice()),
            Some(_) => return Err("its `key_ops` is not a list of texts".into()),
        };
        let kty = text(key, "kty")?.ok_or("it does not say what kind it is (`kty`)")?;
        Ok(Self {
            kty,
            crv: text(key, "crv")?,
            x: text(key, "x")?,
            n: text(key, "n")?,
            e: text(key, "e")?,
            kid: text(key, "kid")?,
            public_key_use: text(key, "use")?,
            key_ops,
            alg: text(key, "alg")?,
            has_certificate: key.get("x5c").is_some(),
            is_private: kty != "oct" && PRIVATE.iter().any(|name| key.get(name).is_some()),
        })
    }

    /// The `kid` of a key, even of one that cannot be parsed.
    pub(super) fn kid(key: &'a Value<'a>) -> Option<&'a str> {
        let Value::Object(key) = key else { return None };
        key.text("kid").ok().flatten()
    }

    /// The key, if it may be used for `v1a` or RS256.
    pub(super) fn usable(&self) -> Result<Usable, SkipReason> {
        if self.is_private {
            return Err(SkipReason::private());
        }
        self.check_purpose()?;
        let usable = self.numbers()?;
        match usable {
            Usable::Rsa(_) if self.kid.is_none() => Err("it has no `kid`, so no token can name it".into()),
            usable => Ok(usable),
        }
    }

    /// The key that its numbers describe, whatever it is for.
    pub(super) fn numbers(&self) -> Result<Usable, SkipReason> {
        match self.kty {
            "OKP" if cfg!(not(feature = "v1a")) => Err("Ed25519 keys need the feature `v1a`".into()),
            "OKP" => self.ed25519().map(Usable::Ed25519),
            "RSA" if cfg!(not(feature = "rs256")) => Err("RSA keys need the feature `rs256`".into()),
            "RSA" => self.rsa().map(Usable::Rsa),
            kind => Err(format!("keys of the kind `{}` are not used", shown(kind)).into()),
        }
    }

    /// Checks the members that say what the key is for.
    fn check_purpose(&self) -> Result<(), SkipReason> {
        let is_verify = |op: &Value<'_>| matches!(op, Value::String(op) if op == "verify");
        let algorithms: &[&str] = if self.kty == "OKP" { &["EdDSA", "Ed25519"] } else { &["RS256"] };
        match (self.kty, self.public_key_use) {
            ("rsa" | "okp" | "ec" | "OCT", _) => {
                Err(format!("its `kty` is `{}`, which is written in the other case", self.kty).into())
            }
            ("oct", _) => Err("it is a shared secret, which must never be published".into()),
            (_, Some(usage)) if usage != "sig" => {
                Err(format!("it is not for signatures: use is `{}`", shown(usage)).into())
            }
            _ if self.key_ops.is_some_and(|ops| !ops.iter().any(is_verify)) => {
                Err("it is not for verifying: `key_ops` says so".into())
            }
            ("OKP" | "EC", _) if self.kty == "EC" || self.crv != Some("Ed25519") => {
                let curve = shown(self.crv.unwrap_or_default());
                Err(format!("its curve is `{curve}`, but `v1a` uses Ed25519").into())
            }
            ("OKP" | "RSA", _) if self.alg.is_some_and(|alg| !algorithms.contains(&alg)) => {
                Err(format!("it is for another algorithm: `{}`", shown(self.alg.unwrap_or_default())).into())
            }
            _ => Ok(()),
        }
    }

    fn ed25519(&self) -> Result<PublicKey, SkipReason> {
        let x = self.x.unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(x).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let Some(bytes) = bytes else {
            let is_standard = x.contains(['+', '/', '=']);
            let more = if is_standard { ": it is in standard base64" } else { "" };
            return Err(format!("its `x` is not base64url of 32 bytes{more}").into());
        };
        let weak = "it is not a point of the curve, or a weak one, under which everybody could sign";
        PublicKey::from_bytes(&bytes, self.kid).ok_or_else(|| weak.into())
    }

    fn rsa(&self) -> Result<RsaKey, SkipReason> {
        if self.n.is_none() && self.has_certificate {
            return Err("it has a certificate (`x5c`), but no `n` and `e`: certificates are not read".into());
        }
        let decode = |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok();
        let (Some(n), Some(e)) = (decode(self.n), decode(self.e)) else {
            return Err("its `n` or `e` is not base64url".into());
        };
        let zeros: usize = n.iter().map_while(|byte| (*byte == 0).then_some(8)).sum();
        let first = n.iter().find(|byte| **byte != 0).map_or(0, |first| first.leading_zeros() as usize);
        let bits = n.len() * 8 - zeros - first;
        if !(2048..=8192).contains(&bits) {
            return Err(format!("it has {bits} bits; 2048 to 8192 are accepted").into());
        }
        RsaKey::new(&n, &e, self.kid.unwrap_or_default()).ok_or_else(|| "its numbers are not a sound key".into())
    }
}

/// The text of a member, if it has the right type.
fn text<'a>(key: &'a Object<'a>, name: &'static str) -> Result<Option<&'a str>, SkipReason> {
    key.text(name).map_err(|_| {
        let optional = if name == "kid" { ", or leave it out (`v1a` does not need one)" } else { "" };
        format!("its `{name}` is not text: the publisher must put it in quotes{optional}").into()
    })
}
