//! TLS on a listener.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problem;
use super::key_path::KeyPath;

/// TLS on a listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tls")]
pub struct TlsSpec {
    /// The certificates, at least one. A client gets the first one that is valid for the name that it asks for (SNI), or
    /// else the first of all.
    #[schemars(length(min = 1))]
    pub certificates: Vec<CertificateSpec>,
    /// The PEM file of the authorities that issue the certificates of clients. If it is set, clients without such a
    /// certificate cannot connect, and the backend receives the first DNS name in it as `countersign-client`, or its
    /// subject (RFC 4514, like "CN=billing,O=Example") if it has no DNS name. Default: none,
    /// and clients need no certificate.
    pub client_ca: Option<String>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Certificate")]
pub struct CertificateSpec {
    /// The PEM file of the certificate, followed by those of the authorities between it and the root. A relative path starts
    /// at the directory of this configuration.
    pub chain: String,
    /// The PEM file of the private key: PKCS #8, PKCS #1 or SEC 1, without a password. A relative path starts at the
    /// directory of this configuration.
    pub key: String,
}

impl TlsSpec {
    /// Rejects TLS without a certificate.
    pub(super) fn check(&self, at: &KeyPath) -> Result<(), Problem> {
        if self.certificates.is_empty() {
            let message = "TLS needs a certificate: add { chain = \"FILE\", key = \"FILE\" }";
            return Err(Problem::at(&at.key("certificates"), message));
        }
        Ok(())
    }
}
