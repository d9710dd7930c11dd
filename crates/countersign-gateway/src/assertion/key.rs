//! The private key that signs assertions, and its public half.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::CryptoProvider;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::{Algorithm, EncodingKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use serde::Serialize;
use serde_json::json;

/// Named here, because the one that `jsonwebtoken` chooses by itself depends on the features of the whole program.
static PROVIDER: &CryptoProvider = &DEFAULT_PROVIDER;

/// A private key for Ed25519 (`EdDSA`) or P-256 (`ES256`).
pub struct SigningKey {
    key: EncodingKey,
    algorithm: Algorithm,
    public: PublicKey,
    /// The header of each token, in base64url.
    header: String,
}

/// A public key, as an entry of a JWKS (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    alg: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    kid: String,
}

impl SigningKey {
    /// Reads an unencrypted key in PKCS#8 from PEM.
    ///
    /// # Errors
    ///
    /// Says what is wrong, without a part of the key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, &'static str> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|error| match error {
            PemError::NoItemsFound => {
                "there is no private key in PKCS#8: name a PEM file with `-----BEGIN PRIVATE KEY-----`, for example from \
                 `openssl genpkey -algorithm ed25519`"
            }
            _ => "it is not valid PEM",
        })?;
        let unsupported = "the key is neither Ed25519 nor P-256: create one with `openssl genpkey -algorithm ed25519`";
        Self::from_pkcs8(der.secret_pkcs8_der()).ok_or(unsupported)
    }

    /// Creates a random key for Ed25519. `None` if the system has no random numbers.
    pub fn generate() -> Option<Self> {
        let pair = Ed25519KeyPair::generate().ok()?;
        let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
        Self::from_pkcs8(der.as_ref())
    }

    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let utils = &PROVIDER.key_utils;
        let ed25519 = (utils.ed_pub_components_from_private_key)(der, &EllipticCurve::Ed25519);
        let (key, algorithm, public) = if let Ok(x) = ed25519 {
            (EncodingKey::from_ed_der(der), Algorithm::EdDSA, PublicKey::ed25519(&x))
        } else {
            let (_, x, y) = (utils.ec_pub_components_from_private_key)(der, Algorithm::ES256).ok()?;
            (EncodingKey::from_ec_der(der), Algorithm::ES256, PublicKey::p256(&x, &y))
        };
        let header = encoded(json!({ "typ": "JWT", "alg": public.alg, "kid": public.kid }).to_string());
        let key = Self { key, algorithm, public, header };
        // What signs once signs always.
        key.sign(&()).is_some().then_some(key)
    }

    /// The key that verifies its tokens.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A token with these claims. `None` if they are not JSON.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        let mut token = self.header.clone();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).ok()?, &mut token);
        let signer = (PROVIDER.signer_factory)(&self.algorithm, &self.key).ok()?;
        let signature = signer.try_sign(token.as_bytes()).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

impl PublicKey {
    fn ed25519(x: &[u8]) -> Self {
        let x = encoded(x);
        // The members that RFC 7638 requires, in its order.
        let kid = thumbprint(&json!({ "crv": "Ed25519", "kty": "OKP", "x": x }));
        Self { kty: "OKP", crv: "Ed25519", x, y: None, alg: "EdDSA", purpose: "sig", kid }
    }

    fn p256(x: &[u8], y: &[u8]) -> Self {
        let (x, y) = (encoded(x), encoded(y));
        let kid = thumbprint(&json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y }));
        Self { kty: "EC", crv: "P-256", x, y: Some(y), alg: "ES256", purpose: "sig", kid }
    }
}

fn thumbprint(members: &serde_json::Value) -> String {
    encoded(digest(&SHA256, members.to_string().as_bytes()))
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        // RFC 8037, appendices A.2 and A.3
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(PublicKey::ed25519(&x).kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_text_without_a_usable_key_is_rejected() {
        for text in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn generated_keys_differ() {
        let [one, other] = [(); 2].map(|()| SigningKey::generate().unwrap());
        assert_ne!(one.public(), other.public());
    }
}
