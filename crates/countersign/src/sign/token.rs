//! Signs tokens and issues them for deliveries.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::ascii::ascii;
use crate::clock::UnixTime;
use crate::crypto::RsaPrivate;
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::message_id::MessageId;

/// Signs tokens with RS256.
#[derive(Clone)]
pub struct TokenSigner {
    key: RsaPrivate,
    kid: String,
}

impl TokenSigner {
    /// Creates a signer from an RSA key in DER (PKCS#1). Tokens name the key by `kid`.
    pub fn new(kid: impl Into<String>, der: &Zeroizing<Vec<u8>>) -> Result<Self, TokenSignerError> {
        Ok(Self { key: RsaPrivate::new(der).ok_or(TokenSignerError)?, kid: kid.into() })
    }

    /// Creates a signer with a new 2048-bit RSA key. The key is not stored anywhere.
    pub fn generate(kid: impl Into<String>) -> Result<Self, TokenSignerError> {
        Ok(Self { key: RsaPrivate::generate().ok_or(TokenSignerError)?, kid: kid.into() })
    }

    /// The `kid` of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        let (n, e) = self.key.public();
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": n, "e": e })
    }

    /// Signs a token with these claims.
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

/// Issues tokens for deliveries. The claims contain the event, so that the token binds the body.
///
/// ```
/// use countersign::sign::{TokenIssuer, TokenSigner};
/// use countersign::{MessageId, UnixTime};
///
/// let issuer = TokenIssuer::new(TokenSigner::generate("key-1")?, ["https://hooks.example.com/gemini"]);
/// let id = MessageId::parse("msg_1")?;
/// let event = serde_json::json!({ "type": "batch.expired", "data": { "id": "batch_1" } });
///
/// let event = event.as_object().expect("an object");
/// let headers = issuer.sign(&id, UnixTime::from_secs(1_795_262_400), event)?;
/// assert_eq!(headers["webhook-timestamp"], "1795262400");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenIssuer {
    signer: TokenSigner,
    audience: Value,
    name: Option<String>,
}

impl TokenIssuer {
    /// How long a token is valid, in seconds. It equals the default tolerance.
    pub const LIFE: u64 = 300;

    /// Creates an issuer of tokens for this audience, which is the URL of the receiver.
    pub fn new<A: Into<String>>(signer: TokenSigner, audience: impl IntoIterator<Item = A>) -> Self {
        let mut audience: Vec<Value> = audience.into_iter().map(|one| one.into().into()).collect();
        let audience = if audience.len() == 1 { audience.remove(0) } else { audience.into() };
        Self { signer, audience, name: None }
    }

    /// Sets the `iss` claim.
    pub fn named(mut self, issuer: impl Into<String>) -> Self {
        self.name = Some(issuer.into());
        self
    }

    /// Returns the three headers for `event`, sent at `now`. A claim about the token replaces a member of the event with
    /// the same name, and receivers then reject the token because it does not bind the body.
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

/// A token cannot be signed: the key is not an RSA key in DER (PKCS#1), or the operating system returns no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSignerError;

impl fmt::Display for TokenSignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key cannot sign tokens: use an RSA key in DER (PKCS#1)")
    }
}

impl std::error::Error for TokenSignerError {}
