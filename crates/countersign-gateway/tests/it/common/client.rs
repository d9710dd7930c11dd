use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{Delivery, Reply, soon};

/// How a delivery is put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1Length,
    Http1Chunked,
    Http2Length,
    /// HTTP/2 without `Content-Length`.
    Http2Unannounced,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] =
        [Self::Http1Length, Self::Http1Chunked, Self::Http2Length, Self::Http2Unannounced];

    fn is_http2(self) -> bool {
        matches!(self, Self::Http2Length | Self::Http2Unannounced)
    }

    /// The request as a client sends it.
    fn request(self, delivery: &Delivery) -> Request<OutBody> {
        let mut request = Request::post(Uri::try_from(&delivery.path).expect("a path"));
        if self.is_http2() {
            request = request.uri(format!("http://{}{}", delivery.host, delivery.path));
        } else {
            request = request.header(HOST, &delivery.host);
        }
        let mut request = request.body(self.body(&delivery.body)).expect("a request");
        request.headers_mut().extend(delivery.headers.clone());
        request
    }

    /// The request as a server receives it.
    pub(crate) fn received(self, delivery: &Delivery) -> Request<OutBody> {
        let mut request = self.request(delivery);
        if self.is_http2() {
            *request.version_mut() = Version::HTTP_2;
        }
        let headers = request.headers_mut();
        match self {
            Self::Http1Length | Self::Http2Length => _ = headers.insert(CONTENT_LENGTH, delivery.body.len().into()),
            Self::Http1Chunked => _ = headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
            Self::Http2Unannounced => {}
        }
        request
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

pub(crate) type OutBody = Either<Full<Bytes>, Pieces>;

/// A body in pieces, without a known length.
pub(crate) struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Reads a response; `None` if its body breaks off.
pub(crate) async fn read<B: Body<Data = Bytes>>(response: Response<B>) -> Option<Reply> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Reply { status: head.status, headers: head.headers, body, extensions: head.extensions })
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

    /// Delivers, and waits for the response; `None` if the connection ended before it.
    pub(crate) async fn send(&mut self, delivery: &Delivery, wire: Wire) -> Option<Reply> {
        self.request(wire.request(delivery)).await
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
        read(response.ok()?).await
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

/// Gets a page; `None` without a response.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<Reply> {
    let mut connection = soon(Connection::open(address, Wire::Http1Length)).await?;
    let request = Request::get(path).header("host", "admin").body(Either::Left(Full::default()));
    soon(connection.request(request.expect("a good request"))).await
}

/// Sends a request without a body to the admin listener, which it names as an address, with a bearer token if there is one.
pub(crate) async fn command(address: SocketAddr, method: Method, path: &str, token: Option<&str>) -> Reply {
    let mut request = Request::builder().method(method).uri(path).header(HOST, address.to_string());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Either::Left(Full::default())).expect("a request");
    let answer = async { Connection::open(address, Wire::Http1Length).await?.request(request).await };
    soon(answer).await.expect("an answer")
}
