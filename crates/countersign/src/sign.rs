//! The sender's half: what tests, the command line and the emulator sign with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::crypto::{Ed25519Private, RsaPrivate};
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::message_id::MessageId;
use crate::secret::{self, Secret};
use crate::verifier::MAX_SECRETS;

/// Signs deliveries with one key, or in a rotation with several: secrets (`v1`), private keys (`v1a`),
/// or both.
///
/// ```
/// use countersign::{MessageId, Secret, Signer, UnixTime};
///
/// let signer = Signer::new([Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?])?;
/// let id = MessageId::parse("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk").expect("a good id");
/// let body = br#"{"email":"test@example.com","username":"test_user"}"#;
///
/// let headers = signer.sign(&id, UnixTime::from_secs(1_649_367_553), body);
/// assert_eq!(headers["webhook-signature"], "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Signer {
    secrets: Vec<Secret>,
    private_keys: Vec<PrivateKey>,
}

impl Signer {
    /// Signs with each of these secrets, one at least.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, SignerError> {
        Self::with_keys(secrets, [])
    }

    /// Signs with each of these secrets and private keys, one at least of either.
    pub fn with_keys(
        secrets: impl IntoIterator<Item = Secret>,
        private_keys: impl IntoIterator<Item = PrivateKey>,
    ) -> Result<Self, SignerError> {
        let signer = Self { secrets: secrets.into_iter().collect(), private_keys: private_keys.into_iter().collect() };
        let keys = signer.secrets.len() + signer.private_keys.len();
        if (1..=MAX_SECRETS).contains(&keys) { Ok(signer) } else { Err(SignerError) }
    }

    /// The three headers of a delivery of `body` that is sent at `now`: a signature with every
    /// private key, and with every secret that has not expired by then.
    pub fn sign(&self, id: &MessageId, now: UnixTime, body: &[u8]) -> HeaderMap {
        let timestamp = now.as_secs().to_string();
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        let live = self.secrets.iter().filter(|secret| secret.is_live(now));
        let v1 = live.map(|secret| format!("v1,{}", STANDARD.encode(secret.key().tag(&signed).as_bytes())));
        let message = if self.private_keys.is_empty() { Vec::new() } else { signed.concat() };
        let v1a = self.private_keys.iter().map(|key| format!("v1a,{}", STANDARD.encode(key.0.sign(&message))));
        let entries: Vec<_> = v1.chain(v1a).collect();
        HeaderMap::from_iter([
            (WEBHOOK_ID, id.to_header_value()),
            (WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_secs())),
            (WEBHOOK_SIGNATURE, ascii(&entries.join(" "))),
        ])
    }
}

fn ascii(text: &str) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "base64, commas and spaces may stand in a header")]
    HeaderValue::from_str(text).expect("visible ASCII")
}

/// A private key of the `v1a` scheme (Ed25519). `Debug` redacts it, and it is zeroed on drop.
#[derive(Clone)]
pub struct PrivateKey(Ed25519Private);

impl PrivateKey {
    /// Reads `whsk_` and base64 of the seed of 32 bytes, or of seed and public key, which are 64.
    pub fn parse(text: &str) -> Result<Self, PrivateKeyError> {
        let encoded = text.strip_prefix("whsk_").ok_or(PrivateKeyError)?;
        let bytes = secret::decode_base64(encoded).ok_or(PrivateKeyError)?;
        let (seed, public) = bytes.split_at_checked(32).ok_or(PrivateKeyError)?;
        let key = Self::from_seed(seed.try_into().map_err(|_| PrivateKeyError)?);
        if public.is_empty() || public == key.0.public() { Ok(key) } else { Err(PrivateKeyError) }
    }

    /// The key of this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519Private::new(seed))
    }

    /// The public key as a receiver pins it: `whpk_` and base64.
    pub fn public(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0.public()))
    }

    /// The public key as a member of a JWKS document, under this `kid`.
    pub fn jwk(&self, kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": URL_SAFE_NO_PAD.encode(self.0.public()) })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public())
    }
}

/// A text is not a private key: `whsk_` and base64 of 32 or 64 bytes that fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateKeyError;

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a private key is `whsk_`, then base64 of 32 bytes, or of 64 with the public key behind them")
    }
}

impl std::error::Error for PrivateKeyError {}

/// Signs tokens, with RS256.
#[derive(Clone)]
pub struct TokenSigner {
    key: RsaPrivate,
    kid: String,
}

impl TokenSigner {
    /// Signs with this RSA key, in DER (PKCS#1), which tokens name by `kid`.
    pub fn new(kid: impl Into<String>, der: &Zeroizing<Vec<u8>>) -> Result<Self, TokenSignerError> {
        Ok(Self { key: RsaPrivate::new(der).ok_or(TokenSignerError)?, kid: kid.into() })
    }

    /// Signs with a new RSA key of 2048 bits, which lives no longer than its last clone.
    pub fn generate(kid: impl Into<String>) -> Result<Self, TokenSignerError> {
        Ok(Self { key: RsaPrivate::generate().ok_or(TokenSignerError)?, kid: kid.into() })
    }

    /// The id that tokens name the key by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a member of a JWKS document.
    pub fn jwk(&self) -> Value {
        let (n, e) = self.key.public();
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": n, "e": e })
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<HeaderValue, TokenSignerError> {
        let header = json!({ "alg": "RS256", "kid": self.kid, "typ": "JWT" }).to_string();
        let claims = serde_json::to_string(claims).map_err(|_| TokenSignerError)?;
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(token.as_bytes()).ok_or(TokenSignerError)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(ascii(&token))
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Issues tokens in place of signatures: the claims are the event, so that the token binds its body.
///
/// ```
/// use countersign::sign::TokenIssuer;
/// use countersign::{MessageId, TokenSigner, UnixTime};
///
/// let issuer = TokenIssuer::new(TokenSigner::generate("key-1")?, ["https://hooks.example.com/gemini"]);
/// let id = MessageId::parse("msg_1").expect("a good id");
/// let event = serde_json::json!({ "type": "batch.expired", "data": { "id": "batch_1" } });
///
/// let event = event.as_object().expect("an object");
/// let headers = issuer.sign(&id, UnixTime::from_secs(1_795_262_400), event)?;
/// assert_eq!(headers["webhook-timestamp"], "1795262400");
/// # Ok::<(), countersign::sign::TokenSignerError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenIssuer {
    signer: TokenSigner,
    audience: Value,
    name: Option<String>,
}

impl TokenIssuer {
    /// How long a token is valid, in seconds: as long as its delivery.
    pub const LIFE: u64 = 300;

    /// Issues tokens for this audience: the URL that they are sent to, as its receiver knows it.
    pub fn new<A: Into<String>>(signer: TokenSigner, audience: impl IntoIterator<Item = A>) -> Self {
        let mut audience: Vec<Value> = audience.into_iter().map(|one| one.into().into()).collect();
        let audience = if audience.len() == 1 { audience.remove(0) } else { audience.into() };
        Self { signer, audience, name: None }
    }

    /// Says who issues them.
    pub fn named(mut self, issuer: impl Into<String>) -> Self {
        self.name = Some(issuer.into());
        self
    }

    /// The three headers of a delivery of `event` that is sent at `now`. A claim about the token takes
    /// the place of a member of the event that has its name, and no receiver would take that for the
    /// same event.
    pub fn sign(
        &self,
        id: &MessageId,
        now: UnixTime,
        event: &Map<String, Value>,
    ) -> Result<HeaderMap, TokenSignerError> {
        let mut claims = event.clone();
        claims.insert("aud".into(), self.audience.clone());
        if let Some(name) = &self.name {
            claims.insert("iss".into(), name.as_str().into());
        }
        claims.insert("iat".into(), now.as_secs().into());
        claims.insert("exp".into(), now.as_secs().saturating_add(Self::LIFE).into());
        claims.insert("jti".into(), id.as_str().into());
        Ok(HeaderMap::from_iter([
            (WEBHOOK_ID, id.to_header_value()),
            (WEBHOOK_TIMESTAMP, HeaderValue::from(now.as_secs())),
            (WEBHOOK_SIGNATURE, self.signer.sign(&claims)?),
        ]))
    }
}

/// A token could not be signed: the key is no RSA key in DER (PKCS#1), or the system gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSignerError;

impl fmt::Display for TokenSignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no token can be signed with it: it is not an RSA key in DER (PKCS#1)")
    }
}

impl std::error::Error for TokenSignerError {}

/// A signer needs one key at least and [`MAX_SECRETS`] at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerError;

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signer takes 1 to {MAX_SECRETS} keys")
    }
}

impl std::error::Error for SignerError {}
