use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign::sign::Signer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{Authority, Backend, Delivery, jwk, key};

/// The body of deliveries that are signed with keys of a key set.
pub(crate) const BODY: &str = r#"{"type":"batch.succeeded","data":{"id":"batch_1"}}"#;

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

/// The response of a publisher to a request for its key set.
#[derive(Clone)]
pub(crate) enum Publish {
    /// Sends these bytes, and closes.
    Bytes(Vec<u8>),
    /// Reads the request and never responds.
    Hang,
    /// Uses the certificate of an untrusted authority.
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

/// Publishes a key set on loopback.
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

    /// The same, on this address.
    pub(crate) async fn at(address: SocketAddr, publish: Publish) -> Self {
        Self::serve(address, "http", publish, None).await
    }

    /// Publishes by https, with a certificate of this authority.
    pub(crate) async fn with_tls(publish: Publish, authority: &Authority) -> Self {
        let acceptor = |authority: &Authority| TlsAcceptor::from(Arc::new(authority.server("localhost", false)));
        let certificates = (acceptor(authority), acceptor(&Authority::new()));
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

    /// Responds like this from now on.
    pub(crate) fn publish(&self, publish: Publish) {
        self.publish.send_replace(publish);
    }

    /// The number of connections so far.
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
