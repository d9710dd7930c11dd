//! A server that does with every connection what it is told to, and remembers what it was sent.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What becomes of a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends these bytes, and closes.
    Send(Vec<u8>),
    /// Sends these bytes, and keeps the connection open for another request.
    Keep(Vec<u8>),
    /// Sends these bytes, and nothing more.
    Hang(Vec<u8>),
    /// Sends chunks until the client hangs up.
    Endless,
}

impl Act {
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::Send(response("200 OK", body))
    }
}

/// A response with its length.
pub(crate) fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(crate) struct Server {
    pub(crate) port: u16,
    connections: Arc<Mutex<usize>>,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(act: Act) -> Self {
        Self::with(None, act).await
    }

    pub(crate) async fn with(tls: Option<ServerConfig>, act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let (connections, heads) = (Arc::new(Mutex::new(0)), Arc::<Mutex<Vec<String>>>::default());
        let (counted, seen) = (Arc::clone(&connections), Arc::clone(&heads));
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let (tls, act, seen) = (tls.clone(), act.clone(), Arc::clone(&seen));
                open.spawn(async move {
                    match tls {
                        None => serve(stream, act, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, act, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, connections, heads, task }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/path?q=1", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// The heads of the requests, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The first byte of a client that expects TLS.
const TLS_HANDSHAKE: u8 = 22;

/// Reads up to the end of a head; `None` if the client hangs up before, or expects TLS.
pub(crate) async fn head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        if head == [TLS_HANDSHAKE] {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return None;
        }
    }
    Some(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, act: Act, seen: &Mutex<Vec<String>>) {
    while let Some(head) = head(&mut stream).await {
        seen.lock().unwrap().push(head);
        // A client that has read enough hangs up, and writing fails.
        match &act {
            Act::Send(bytes) => {
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Act::Keep(bytes) => {
                let _ = stream.write_all(bytes).await;
                let _ = stream.flush().await;
            }
            Act::Hang(bytes) => {
                let _ = stream.write_all(bytes).await;
                let _ = stream.flush().await;
                std::future::pending::<()>().await;
            }
            Act::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                let chunk = [b"1000\r\n", &b" ".repeat(0x1000)[..], b"\r\n"].concat();
                while stream.write_all(&chunk).await.is_ok() {}
                return;
            }
        }
    }
}
