//! TLS on the connections of a listener.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use webpki::EndEntityCert;

use super::sni::ByName;
use super::socket::Socket;
use crate::certificate;

/// The protocols that are offered, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// The most bytes of a response that wait to be encrypted and sent.
const MAX_BUFFERED: usize = 16 * 1024;
/// The longest DNS name of a client that is used, in bytes.
const MAX_NAME: usize = 253;
/// The longest subject of a client that is used, in bytes.
const MAX_SUBJECT: usize = 1024;

/// TLS 1.2 and 1.3 on the connections of a listener.
#[derive(Debug)]
pub struct Tls(ArcSwap<ServerConfig>);

impl Tls {
    /// TLS with these certificates, of which the first one is the default. With `clients`, each client must have a
    /// certificate that one of these authorities has issued.
    ///
    /// # Errors
    ///
    /// The authorities cannot be used. The error says why.
    pub fn new(certificates: Vec<Arc<CertifiedKey>>, clients: Option<RootCertStore>) -> Result<Self, String> {
        config(certificates, clients).map(|config| Self(ArcSwap::from_pointee(config)))
    }

    /// Uses the certificates and authorities of `other` for new connections.
    pub fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// Does the handshake.
    pub(super) async fn accept(&self, stream: Socket) -> io::Result<TlsStream<Socket>> {
        let acceptor = TlsAcceptor::from(self.0.load_full());
        acceptor.accept_with(stream, |connection| connection.set_buffer_limit(Some(MAX_BUFFERED))).await
    }
}

fn config(certificates: Vec<Arc<CertifiedKey>>, clients: Option<RootCertStore>) -> Result<ServerConfig, String> {
    // Set explicitly, because a provider that is chosen by features depends on the other crates of the program.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match clients {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| error.to_string())?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(certificates)));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(config)
}

/// The client that a verified certificate names: its first DNS name of at most [`MAX_NAME`] visible ASCII characters, or
/// else its subject, which contains `=`, as no DNS name does. A subject of more than [`MAX_SUBJECT`] bytes is not cut off,
/// because two clients could then have the same name.
pub(super) fn client_name(certificate: &CertificateDer<'_>) -> Option<HeaderValue> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    let is_name = |name: &&str| {
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=')
    };
    if let Some(name) = parsed.valid_dns_names().next() {
        return Some(name).filter(is_name).and_then(|name| HeaderValue::from_str(name).ok());
    }
    let subject = certificate::subject(certificate).filter(|subject| subject.len() <= MAX_SUBJECT)?;
    HeaderValue::try_from(subject).ok()
}

/// Whether the first byte of a connection begins a request in plain text: a method, or the preface of HTTP/2.
pub(super) fn is_plain(first: u8) -> bool {
    first.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use countersign_test::tls::Authority;
    use rustls::ClientConfig;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsConnector;

    use super::*;

    fn tls(authority: &Authority) -> Tls {
        let (chain, key) = authority.issue(&["hooks.example.com"]);
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).unwrap();
        Tls::new(vec![Arc::new(CertifiedKey::new(chain, key))], None).unwrap()
    }

    /// Whether a client that trusts only this authority can connect.
    async fn is_trusted(tls: &Tls, authority: &Authority) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("hooks.example.com").unwrap();
        let (client, server) = tokio::join!(connector.connect(name, stream), tls.accept(accepted.into()));
        assert_eq!(client.is_ok(), server.is_ok());
        client.is_ok()
    }

    #[test]
    fn a_client_is_named_by_its_first_dns_name_or_else_its_subject() {
        let authority = Authority::new();
        // Too long for a DNS name, so that the certificate has none.
        let long = format!("{0}.{0}.{0}.{0}.example", "a".repeat(61));
        let subject = format!("CN={long}");
        for (names, name) in [
            (&["client.example.com", "other.example.com"][..], Some("client.example.com")),
            (&["192.0.2.1", "other.example.com"], Some("other.example.com")),
            (&["192.0.2.1"], Some("CN=192.0.2.1")),
            (&[long.as_str()], Some(subject.as_str())),
        ] {
            let (chain, _) = authority.issue(names);
            let certificate = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
            let named = client_name(&certificate);
            assert_eq!(named.as_ref().map(HeaderValue::as_bytes), name.map(str::as_bytes), "{names:?}");
        }
        let long = "a".repeat(MAX_SUBJECT);
        for (organization, name) in [("Example", Some("CN=billing,O=Example")), (long.as_str(), None)] {
            let (chain, _) = authority.issue_to(organization, "billing");
            let certificate = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
            assert_eq!(client_name(&certificate), name.map(HeaderValue::from_static));
        }
    }

    #[tokio::test]
    async fn replaced_certificates_are_used_from_the_next_connection_on() {
        let (old, new) = (Authority::new(), Authority::new());
        let live = tls(&old);
        assert!(is_trusted(&live, &old).await && !is_trusted(&live, &new).await);
        live.replace(&tls(&new));
        assert!(is_trusted(&live, &new).await && !is_trusted(&live, &old).await);
    }
}
