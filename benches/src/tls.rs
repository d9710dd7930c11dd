//! TLS between the load generators and the servers.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign_test::tls::Authority;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

/// Writes `bench.crt`, `bench.key` and, for servers that want both in one file, `bench.pem`: a P-256 certificate.
pub fn write_certificate(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (chain, key) = Authority::new().issue(&["localhost"]);
    fs::write(folder.join("bench.pem"), [chain.as_str(), &key].concat())?;
    fs::write(folder.join("bench.crt"), chain)?;
    fs::write(folder.join("bench.key"), key)?;
    Ok(())
}

/// A client of these protocols (ALPN), which does a whole handshake for each connection. It does not check the server's
/// certificate, so that it has less to do than the server.
pub fn client(protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unchecked(schemes)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Accepts all certificates.
#[derive(Debug)]
struct Unchecked(Vec<SignatureScheme>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
