//! TLS towards upstreams.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::UpstreamScheme;
use crate::serve::Socket;

/// How the upstreams of a route are verified, and what they learn about the gateway.
#[derive(Clone)]
pub struct UpstreamTls {
    http1: TlsConnector,
    http2: TlsConnector,
    /// The name that their certificates have to be valid for. `None` for the host of the URL.
    server_name: Option<ServerName<'static>>,
    identity: u64,
}

impl UpstreamTls {
    /// Accepts certificates that one of `roots` has issued for `server_name`, and presents `client`. Another `identity`
    /// stands for other files.
    ///
    /// # Errors
    ///
    /// No protocol version is supported.
    pub fn new(
        roots: &RootCertStore,
        client: Option<CertifiedKey>,
        server_name: Option<ServerName<'static>>,
        identity: u64,
    ) -> Result<Self, String> {
        let client = client.map(|key| Arc::new(SingleCertAndKey::from(key)) as Arc<dyn ResolvesClientCert>);
        let connector = |protocol: &[u8]| {
            // Set explicitly, because a provider that is chosen by features depends on the other crates of the program.
            let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(roots.clone());
            let mut config = match &client {
                Some(client) => builder.with_client_cert_resolver(Arc::clone(client)),
                None => builder.with_no_client_auth(),
            };
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok::<_, String>(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self { http1: connector(b"http/1.1")?, http2: connector(b"h2")?, server_name, identity })
    }

    /// Stands for the files that it was read from.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// For an upstream with this scheme and host.
    pub(super) fn of(&self, scheme: UpstreamScheme, host: &str) -> Option<Secured> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).ok()?,
        };
        let connector = if scheme.is_http2() { &self.http2 } else { &self.http1 };
        Some(Secured { connector: connector.clone(), name, identity: self.identity, is_http2: scheme.is_http2() })
    }
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// TLS towards one upstream.
#[derive(Clone)]
pub(super) struct Secured {
    connector: TlsConnector,
    name: ServerName<'static>,
    identity: u64,
    is_http2: bool,
}

impl Secured {
    /// Does the handshake.
    pub(super) async fn connect(&self, socket: Socket) -> io::Result<TlsStream<Socket>> {
        let stream = self.connector.connect(self.name.clone(), socket).await;
        let stream =
            stream.map_err(|error| io::Error::new(error.kind(), format!("the TLS handshake failed: {error}")))?;
        if self.is_http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(io::Error::other("the upstream does not offer HTTP/2 (ALPN): use https:// for HTTP/1.1"));
        }
        Ok(stream)
    }

    /// Tells apart connections that were verified in different ways.
    pub(super) fn key(&self) -> (u64, &ServerName<'static>) {
        (self.identity, &self.name)
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured").field("name", &self.name).finish_non_exhaustive()
    }
}
