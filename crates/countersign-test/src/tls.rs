//! Certificates for servers on loopback.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;

/// A certificate authority with a key of its own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

#[expect(clippy::new_without_default, reason = "every authority is a new one")]
impl Authority {
    /// With a new key.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// Its certificate in PEM, for clients to trust.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and its key, both in PEM. Servers and clients can use it.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        self.sign(&named(names))
    }

    /// The same, with a certificate that expires at this time since 1970.
    pub fn issue_until(&self, names: &[&str], expires_at: Duration) -> (String, String) {
        let mut params = named(names);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + expires_at;
        self.sign(&params)
    }

    /// A certificate with this subject and without names, and its key, both in PEM. Clients can use it.
    pub fn issue_to(&self, organization: &str, common_name: &str) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, common_name);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }

    /// TLS with a certificate for this name.
    pub fn server(&self, name: &str, is_expired: bool) -> ServerConfig {
        self.server_for(&[name], is_expired)
    }

    /// TLS with a certificate for these names.
    pub fn server_for(&self, names: &[&str], is_expired: bool) -> ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>()).expect("valid names");
        if is_expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("supported versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("a matching key")
    }
}

/// A certificate for these names, of which the first one is the subject too.
fn named(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
    let mut params = CertificateParams::new(names.clone()).expect("valid names");
    // Other than the authority's: OpenSSL takes a certificate with the name of its issuer for a self-signed one.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names[0].as_str());
    params
}
