use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::{PrivateKey, Signer, TokenSigner};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::{Backend, Delivery};

/// What senders sign with keys of a key set.
pub(crate) const BODY: &str = r#"{"type":"batch.succeeded","data":{"id":"batch_1"}}"#;

/// The private key of this number.
pub(crate) fn key(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32])
}

/// Its public key, as a member of a key set.
pub(crate) fn jwk(number: u8) -> Value {
    key(number).jwk(&format!("key-{number}"))
}

/// A key set of the public keys of these numbers.
pub(crate) fn keys(numbers: &[u8]) -> Publish {
    Publish::keys(&numbers.iter().copied().map(jwk).collect::<Vec<_>>())
}

/// A delivery to `/hook` that is signed with this key.
pub(crate) fn signed_by(number: u8, id: &str) -> Delivery {
    Delivery::signed_by(&Signer::with_keys([], [key(number)]).expect("one key"), id, BODY)
}

/// A source, and a route to it from the path of its name.
pub(crate) fn source(name: &str, keys: &str, backend: &Backend) -> String {
    let upstream = backend.address();
    format!(
        "[sources.{name}]\n{keys}[[routes]]\npath = \"/{name}\"\nsource = \"{name}\"\nupstream = [\"http://{upstream}\"]\n"
    )
}

/// What the publisher of a key set does with a request.
#[derive(Clone)]
pub(crate) enum Publish {
    /// Sends these bytes, and closes.
    Bytes(Vec<u8>),
    /// Reads, and says nothing.
    Hang,
    /// Shows the certificate of somebody whom nobody trusts.
    WrongCertificate,
}

impl Publish {
    /// A key set of these keys.
    pub(crate) fn keys(keys: &[Value]) -> Self {
        Self::answer("200 OK", "application/json", json!({ "keys": keys }).to_string())
    }

    pub(crate) fn answer(status: &str, kind: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        Self::Bytes([head.as_bytes(), body].concat())
    }
}

/// Publishes a key set on loopback, as it is told to.
pub(crate) struct Publisher {
    address: SocketAddr,
    scheme: &'static str,
    publish: watch::Sender<Publish>,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Publishes by http.
    pub(crate) async fn start(publish: Publish) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), publish).await
    }

    /// The same, on an address of choice.
    pub(crate) async fn at(address: SocketAddr, publish: Publish) -> Self {
        Self::serve(address, "http", publish, None).await
    }

    /// Publishes by https, with a certificate of this authority.
    pub(crate) async fn with_tls(publish: Publish, authority: &Authority) -> Self {
        let certificates = (authority.certify(), Authority::new().certify());
        Self::serve("127.0.0.1:0".parse().expect("an address"), "https", publish, Some(certificates)).await
    }

    async fn serve(
        address: SocketAddr,
        scheme: &'static str,
        publish: Publish,
        tls: Option<(TlsAcceptor, TlsAcceptor)>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let (publish, published) = watch::channel(publish);
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (publish, tls) = (published.borrow().clone(), tls.clone());
                open.spawn(async move {
                    match tls {
                        None => answer(stream, publish).await,
                        Some((right, wrong)) => {
                            let tls = if matches!(publish, Publish::WrongCertificate) { wrong } else { right };
                            answer(tls.accept(stream).await.ok()?, publish).await
                        }
                    }
                });
            }
        });
        Self { address, scheme, publish, requests, task }
    }

    /// The entry of a source's configuration that names it, with more keys if need be.
    pub(crate) fn entry(&self, more: &str) -> String {
        format!("jwks = {{ url = \"{}://localhost:{}/keys\"{more} }}\n", self.scheme, self.address.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on.
    pub(crate) fn publish(&self, publish: Publish) {
        self.publish.send_replace(publish);
    }

    /// How often somebody connected.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, publish: Publish) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    match publish {
        Publish::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
        Publish::Hang | Publish::WrongCertificate => std::future::pending().await,
    }
    stream.shutdown().await.ok()
}

/// A certificate authority of the test's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("good parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// Its certificate, for the operator.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn certify(&self) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("good parameters");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key in DER");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("good versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        TlsAcceptor::from(Arc::new(config.expect("a good certificate")))
    }
}

/// Issues tokens, with an RSA key of the test's own.
pub(crate) struct Issuer {
    der: Vec<u8>,
    kid: &'static str,
    modulus: Vec<u8>,
}

impl Issuer {
    pub(crate) fn new(kid: &'static str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        // What PKCS#8 wraps around PKCS#1, and what stands before the modulus, is as long for all keys
        // of this size.
        let (der, public) = (pair.serialize_der()[26..].to_vec(), pair.der_bytes());
        Self { der, kid, modulus: public[9..265].to_vec() }
    }

    /// The public key, as a member of a key set.
    pub(crate) fn jwk(&self) -> Value {
        let modulus = URL_SAFE_NO_PAD.encode(&self.modulus);
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": modulus, "e": "AQAB" })
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_naming(self.kid, claims)
    }

    /// The same, with another key's id.
    pub(crate) fn token_naming(&self, kid: &str, claims: &Value) -> String {
        let signer = TokenSigner::new(kid, &self.der.clone().into()).expect("an RSA key");
        let token = signer.sign(claims.as_object().expect("an object")).expect("it signs");
        token.to_str().expect("visible ASCII").to_owned()
    }
}
