//! Active health checks.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::single::Upstream;
use super::stream::Stream;

/// Checks whether an upstream accepts a connection and, with a path, responds to a request with 2xx. The error says why
/// not.
pub(super) async fn check(upstream: &Upstream, path: Option<&PathAndQuery>, timeout: Duration) -> Result<(), String> {
    let checking = async {
        let stream = upstream.connect().await.map_err(|error| error.to_string())?;
        match path {
            Some(path) => request(stream, upstream, path).await,
            None => Ok(()),
        }
    };
    let what = if path.is_some() { "response" } else { "connection" };
    tokio::time::timeout(timeout, checking).await.unwrap_or_else(|_| Err(format!("no {what} within {timeout:?}")))
}

async fn request(stream: Stream, upstream: &Upstream, path: &PathAndQuery) -> Result<(), String> {
    let mut request = Request::new(Empty::<Bytes>::new());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("countersign-gateway"));
    let stream = TokioIo::new(stream);
    let response = if upstream.is_http2() {
        *request.uri_mut() = upstream.absolute(path.clone()).unwrap_or_default();
        let (mut requests, connection) =
            http2::handshake(TokioExecutor::new(), stream).await.map_err(|error| error.to_string())?;
        first(requests.send_request(request), connection).await?
    } else {
        *request.uri_mut() = Uri::from(path.clone());
        request.headers_mut().insert(HOST, upstream.host.clone());
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let (mut requests, connection) = http1::handshake(stream).await.map_err(|error| error.to_string())?;
        first(requests.send_request(request), connection).await?
    };
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("the response to {path} is {status}")) }
}

/// Waits for the response, or for the end of the connection.
async fn first<R>(
    response: impl Future<Output = hyper::Result<R>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<R, String> {
    let mut response = pin!(response);
    let response = tokio::select! {
        biased;
        response = response.as_mut() => response,
        // The response may be the last that arrived.
        _ = connection => response.await,
    };
    response.map_err(|error| format!("there is no response: {error}"))
}
