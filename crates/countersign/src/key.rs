//! Public keys: pinned ones, and the sets of a JWKS document.
//!
//! ```
//! use countersign::KeySet;
//!
//! let set = KeySet::parse(
//!     br#"{"keys": [
//!         {"kty": "OKP", "crv": "Ed25519", "kid": "key-1", "x": "LgshSTq2B_MysnAgb9hcXRrVK_YdenixALrPznybVrk"},
//!         {"kty": "EC", "crv": "P-256", "kid": "of no use here"}
//!     ]}"#,
//! )?;
//! assert_eq!(set.labels().collect::<Vec<_>>(), [("key-1", "v1a")]);
//! # Ok::<(), countersign::key::KeySetError>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::crypto::{self, Ed25519Public, RsaPublic};
use crate::encoding::decode_base64;
use crate::json::{Object, Value};
use crate::name::is_source_name;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// An Ed25519 key (RFC 8032) whose private half a sender signs `v1a` deliveries with.
///
/// ```
/// use countersign::PublicKey;
///
/// let key = PublicKey::parse("whpk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=")?;
/// # Ok::<(), countersign::key::PublicKeyError>(())
/// ```
#[derive(Clone)]
pub struct PublicKey {
    key: Ed25519Public,
    label: Arc<str>,
}

impl PublicKey {
    /// Reads a key as a sender shows it: `whpk_` and base64 of 32 bytes. Weak keys, under which
    /// everybody can sign, are refused.
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        let encoded = text.strip_prefix("whpk_").ok_or(PublicKeyError::NoPrefix)?;
        let bytes = decode_base64(encoded).ok_or(PublicKeyError::NotBase64)?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| PublicKeyError::Length { len: bytes.len() })?;
        Self::from_bytes(&bytes, None).ok_or(PublicKeyError::Weak)
    }

    /// Names the key, for the verdict, logs and headers. Visible ASCII; the RFC 7638 thumbprint unless set.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = label.into();
        self
    }

    /// The name that was given to it, or its RFC 7638 thumbprint.
    pub fn label(&self) -> &str {
        &self.label
    }

    fn from_bytes(bytes: &[u8; 32], name: Option<&str>) -> Option<Self> {
        let key = Ed25519Public::new(bytes)?;
        let thumbprint =
            || thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes)));
        Some(Self { key, label: label_or(name, thumbprint) })
    }

    pub(crate) fn shared_label(&self) -> Arc<str> {
        Arc::clone(&self.label)
    }

    pub(crate) fn key(&self) -> &Ed25519Public {
        &self.key
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("label", &self.label).finish_non_exhaustive()
    }
}

/// An RSA key of a set, with the id that tokens name it by.
#[derive(Clone)]
pub(crate) struct RsaKey {
    pub(crate) id: String,
    pub(crate) label: Arc<str>,
    pub(crate) key: RsaPublic,
}

impl RsaKey {
    /// Whether tokens that are signed with one are verified by the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.key == other.key
    }
}

/// The usable keys of a JWKS document (RFC 7517): Ed25519 (RFC 8037), and RSA of 2048 bits or more for RS256.
///
/// A key that cannot be read, is weak, is meant for something else, or stands there twice is passed over; the
/// rest serves.
#[derive(Clone, Default)]
pub struct KeySet {
    ed25519: Vec<PublicKey>,
    rsa: Vec<RsaKey>,
}

impl KeySet {
    /// The largest document that is read, in bytes.
    pub const MAX_DOCUMENT: usize = 256 * 1024;
    /// The most keys that a document may list.
    pub const MAX_KEYS: usize = 64;

    /// Reads a document of at most [`MAX_DOCUMENT`](Self::MAX_DOCUMENT) bytes and
    /// [`MAX_KEYS`](Self::MAX_KEYS) keys. One without a usable key is an empty set, and no error.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > Self::MAX_DOCUMENT {
            return Err(KeySetError::TooLarge);
        }
        let document = Object::parse(document).ok_or(KeySetError::NotAKeySet)?;
        let Some(Value::Array(keys)) = document.get("keys") else { return Err(KeySetError::NotAKeySet) };
        if keys.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self::default();
        for key in keys {
            match Jwk::parse(key).and_then(|jwk| jwk.read()) {
                Some(Usable::Ed25519(key)) if !set.ed25519.iter().any(|other| other.key == key.key) => {
                    set.ed25519.push(key);
                }
                Some(Usable::Rsa(key)) if !set.rsa.iter().any(|other| other.is_same(&key)) => set.rsa.push(key),
                Some(Usable::Ed25519(_) | Usable::Rsa(_)) | None => {}
            }
        }
        Ok(set)
    }

    /// The labels of its keys, with the scheme that each serves.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let ed25519 = self.ed25519.iter().map(|key| (&*key.label, "v1a"));
        ed25519.chain(self.rsa.iter().map(|key| (&*key.label, "rs256")))
    }

    /// How many usable keys it has.
    pub fn len(&self) -> usize {
        self.ed25519.len() + self.rsa.len()
    }

    /// Whether it has no usable key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn ed25519(&self) -> &[PublicKey] {
        &self.ed25519
    }

    pub(crate) fn rsa(&self) -> &[RsaKey] {
        &self.rsa
    }
}

impl FromStr for KeySet {
    type Err = KeySetError;

    fn from_str(document: &str) -> Result<Self, KeySetError> {
        Self::parse(document.as_bytes())
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.labels()).finish()
    }
}

/// The parameters of a key that are read; others are ignored, as RFC 7517 asks for.
struct Jwk<'a> {
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

enum Usable {
    Ed25519(PublicKey),
    Rsa(RsaKey),
}

impl<'a> Jwk<'a> {
    /// `None` for anything else than an object with parameters of the right types, each there once at most.
    fn parse(key: &'a Value<'a>) -> Option<Self> {
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

    fn read(&self) -> Option<Usable> {
        let is_verify = |op: &Value<'_>| matches!(op, Value::String(op) if op == "verify");
        let signs = self.public_key_use.is_none_or(|usage| usage == "sig")
            && self.key_ops.is_none_or(|ops| ops.iter().any(is_verify));
        if !signs {
            return None;
        }
        let serves = |algorithms: &[&str]| self.alg.is_none_or(|alg| algorithms.contains(&alg));
        match self.kty {
            "OKP" if self.crv == Some("Ed25519") && serves(&["EdDSA", "Ed25519"]) => self.read_ed25519(),
            "RSA" if serves(&["RS256"]) => self.read_rsa(),
            _ => None,
        }
    }

    fn read_ed25519(&self) -> Option<Usable> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(self.x?).ok()?.try_into().ok()?;
        PublicKey::from_bytes(&bytes, self.kid).map(Usable::Ed25519)
    }

    fn read_rsa(&self) -> Option<Usable> {
        let decode = |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok();
        let (n, e) = (decode(self.n)?, decode(self.e)?);
        // A token names its key: one without a name cannot be asked for.
        let id = self.kid?.to_owned();
        let thumbprint = || {
            let (n, e) = (crypto::without_leading_zeros(&n), crypto::without_leading_zeros(&e));
            thumbprint(&format!(
                r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                URL_SAFE_NO_PAD.encode(e),
                URL_SAFE_NO_PAD.encode(n)
            ))
        };
        let label = label_or(Some(&id), thumbprint);
        Some(Usable::Rsa(RsaKey { key: RsaPublic::new(&n, &e)?, label, id }))
    }
}

/// The name, if it may stand in a header; else the thumbprint.
fn label_or(name: Option<&str>, thumbprint: impl FnOnce() -> String) -> Arc<str> {
    name.filter(|name| is_source_name(name)).map_or_else(|| thumbprint().into(), Into::into)
}

fn thumbprint(canonical: &str) -> String {
    URL_SAFE_NO_PAD.encode(crypto::sha256(canonical.as_bytes()))
}

/// Why a text was not taken as a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// It does not begin with `whpk_`.
    NoPrefix,
    /// It is not base64.
    NotBase64,
    /// It is not 32 bytes long.
    Length {
        /// The number of bytes that it decodes to.
        len: usize,
    },
    /// It is no point of the curve, or one under which everybody can sign.
    Weak,
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrefix => {
                f.write_str("a public key begins with `whpk_`; a secret (`whsec_`) belongs under secrets")
            }
            Self::NotBase64 => f.write_str("the public key is not base64 (it is `whpk_`, then base64)"),
            Self::Length { len } => write!(f, "the public key decodes to {len} bytes, and Ed25519 keys have 32"),
            Self::Weak => f.write_str("the public key is weak: everybody could sign under it"),
        }
    }
}

impl std::error::Error for PublicKeyError {}

/// Why a document was not taken as a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// It has more than [`KeySet::MAX_DOCUMENT`] bytes.
    TooLarge,
    /// It is not a JSON object with an array of `keys`.
    NotAKeySet,
    /// It lists more than [`KeySet::MAX_KEYS`] keys.
    TooManyKeys,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "the key set has more than {} bytes", KeySet::MAX_DOCUMENT),
            Self::NotAKeySet => f.write_str("this is not a key set: a JSON object with an array of `keys`"),
            Self::TooManyKeys => write!(f, "the key set lists more than {} keys", KeySet::MAX_KEYS),
        }
    }
}

impl std::error::Error for KeySetError {}
