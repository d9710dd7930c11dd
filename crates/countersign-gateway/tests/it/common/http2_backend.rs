use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A backend that speaks HTTP/2 only, with or without TLS. It responds with a body and trailers.
pub(crate) struct Http2Backend {
    pub(crate) address: SocketAddr,
    seen: Arc<watch::Sender<Vec<(request::Parts, Bytes)>>>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Http2Backend {
    pub(crate) async fn start(tls: Option<rustls::ServerConfig>) -> Self {
        let acceptor = tls.map(|mut config| {
            config.alpn_protocols = vec![b"h2".to_vec()];
            TlsAcceptor::from(Arc::new(config))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let (seen, connections) = (Arc::<watch::Sender<_>>::default(), Arc::<AtomicUsize>::default());
        let (recorded, counted) = (Arc::clone(&seen), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (recorded, acceptor) = (Arc::clone(&recorded), acceptor.clone());
                let service = service_fn(move |request| respond(request, Arc::clone(&recorded)));
                tokio::spawn(async move {
                    let server = http2::Builder::new(TokioExecutor::new());
                    // The gateway may close the connection at any time.
                    let _ = match acceptor {
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => server.serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()),
                        },
                        None => server.serve_connection(TokioIo::new(stream), service).await,
                    };
                });
            }
        });
        Self { address, seen, connections, accepting }
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<(request::Parts, Bytes)> {
        self.seen.borrow().clone()
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Http2Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn respond(
    request: Request<Incoming>,
    seen: Arc<watch::Sender<Vec<(request::Parts, Bytes)>>>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    seen.send_modify(|seen| seen.push((head, body)));
    let trailers = HeaderMap::from_iter([
        (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0")),
        (HeaderName::from_static("countersign-outcome"), HeaderValue::from_static("forged")),
    ]);
    let body = Full::new(Bytes::from_static(b"over HTTP/2")).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert("countersign-verdict", HeaderValue::from_static("forged"));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}
