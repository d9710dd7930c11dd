use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Delivery, SOON, soon};

/// How a delivery is put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1Length,
    Http1Chunked,
    Http2Length,
    /// HTTP/2 frames data always; here without announcing its length.
    Http2Unannounced,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] =
        [Self::Http1Length, Self::Http1Chunked, Self::Http2Length, Self::Http2Unannounced];

    fn is_http2(self) -> bool {
        matches!(self, Self::Http2Length | Self::Http2Unannounced)
    }

    fn body(self, bytes: &Bytes) -> OutBody {
        match self {
            Self::Http1Length | Self::Http2Length => Either::Left(Full::new(bytes.clone())),
            Self::Http1Chunked | Self::Http2Unannounced => {
                Either::Right(Pieces(bytes.chunks(10_007).map(|piece| bytes.slice_ref(piece)).collect()))
            }
        }
    }
}

type OutBody = Either<Full<Bytes>, Pieces>;

/// A body in pieces, whose length nobody knows beforehand.
pub(crate) struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// A header's value, where it has exactly one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        Some(value.to_str().expect("visible ASCII"))
    }

    /// What became of a delivery that the backend did not see and that was not refused.
    pub(crate) fn outcome(&self) -> Option<&str> {
        self.header("countersign-outcome")
    }

    /// The `code` of a problem document.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("a JSON document");
        assert_eq!(problem["status"], self.status.as_u16(), "{self:?}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        problem["code"].as_str().expect("a code").to_owned()
    }

    async fn read(response: Response<Incoming>) -> Option<Self> {
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Self { status: head.status, headers: head.headers, body })
    }
}

/// A connection of a well-behaved sender.
pub(crate) enum Connection {
    Http1(http1::SendRequest<OutBody>),
    Http2(http2::SendRequest<OutBody>),
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, wire: Wire) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let io = TokioIo::new(stream);
        if wire.is_http2() {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.ok()?;
            tokio::spawn(connection);
            Some(Self::Http2(sender))
        } else {
            let (sender, connection) = http1::handshake(io).await.ok()?;
            tokio::spawn(connection);
            Some(Self::Http1(sender))
        }
    }

    /// Delivers, and waits for the answer; `None` if the connection ended before it.
    pub(crate) async fn send(&mut self, delivery: &Delivery, wire: Wire) -> Option<Reply> {
        let mut request = Request::post(Uri::try_from(&delivery.path).expect("a path"));
        if wire.is_http2() {
            request = request.uri(format!("http://{}{}", delivery.host, delivery.path));
        } else {
            request = request.header("host", &delivery.host);
        }
        let mut request = request.body(wire.body(&delivery.body)).expect("a good request");
        request.headers_mut().extend(delivery.headers.clone());
        self.request(request).await
    }

    async fn request(&mut self, request: Request<OutBody>) -> Option<Reply> {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await.ok()?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await.ok()?;
                sender.send_request(request).await
            }
        };
        Reply::read(response.ok()?).await
    }

    /// Whether the server keeps the connection open.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Http1(sender) => !sender.is_closed(),
            Self::Http2(sender) => !sender.is_closed(),
        }
    }
}

/// Delivers over a connection of its own.
pub(crate) async fn send(address: SocketAddr, delivery: &Delivery, wire: Wire) -> Reply {
    let answer = async { Connection::open(address, wire).await?.send(delivery, wire).await };
    soon(answer).await.expect("an answer")
}

/// Gets a page; `None` if nobody answers.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<Reply> {
    let mut connection = soon(Connection::open(address, Wire::Http1Length)).await?;
    let request = Request::get(path).header("host", "admin").body(Either::Left(Full::default()));
    soon(connection.request(request.expect("a good request"))).await
}

/// A connection on which anything can be written.
pub(crate) struct Raw {
    stream: TcpStream,
    unread: BytesMut,
}

impl Raw {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a TCP stream");
        Self { stream, unread: BytesMut::new() }
    }

    /// Writes bytes as they are. A server that has answered and closed does not have to read them.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Says that nothing more will be written, and goes on listening.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer, interim ones included; `None` once the server has closed.
    pub(crate) async fn answer(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await?;
        };
        let head = self.unread.split_to(end);
        let text = std::str::from_utf8(&head).expect("an ASCII head");
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).expect("a status line");
        let status = status[2..5].parse().expect("a status");
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").expect("name and value");
            (name.parse().expect("a name"), value.parse().expect("a value"))
        };
        let headers: HeaderMap = lines.map(header).collect();
        let len = headers.get("content-length").map_or(0, |len| len.to_str().expect("digits").parse().expect("digits"));
        while self.unread.len() < len {
            self.read_more().await?;
        }
        Some(Reply { status, headers, body: self.unread.split_to(len).freeze() })
    }

    /// All that comes until the server closes.
    pub(crate) async fn rest(mut self) -> Bytes {
        while self.read_more().await.is_some() {}
        self.unread.freeze()
    }

    async fn read_more(&mut self) -> Option<()> {
        // A reset is the end too: the server did not care for the rest of what was sent.
        let read = soon(self.stream.read_buf(&mut self.unread)).await.unwrap_or(0);
        (read > 0).then_some(())
    }
}

/// Writes these bytes on a connection of their own, and reads the statuses of all answers: until the
/// server closes, or has nothing more to say.
pub(crate) async fn raw_answers(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut raw = Raw::open(address).await;
    raw.write(bytes).await;
    let mut statuses = Vec::new();
    let mut patience = SOON;
    while let Ok(Some(answer)) = tokio::time::timeout(patience, raw.answer()).await {
        statuses.push(answer.status.as_u16());
        patience = Duration::from_millis(300);
    }
    statuses
}
