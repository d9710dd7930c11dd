//! Chooses the certificate of a connection by the name that the client asks for (SNI).

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Certificates, of which the first one is the default.
#[derive(Debug)]
pub(super) struct ByName(Vec<Arc<CertifiedKey>>);

impl ByName {
    pub(super) fn new(certificates: Vec<Arc<CertifiedKey>>) -> Self {
        Self(certificates)
    }

    /// The first certificate that is valid for this name, or else the first one.
    fn choose(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let first = self.0.first();
        let Some(name) = name.filter(|_| self.0.len() > 1).and_then(|name| ServerName::try_from(name).ok()) else {
            return first;
        };
        self.0.iter().find(|certified| is_valid_for(certified, &name)).or(first)
    }
}

fn is_valid_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = certified.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name()).cloned()
    }
}
