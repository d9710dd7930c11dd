//! Active health checks.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::single::Upstream;

/// Checks whether an upstream accepts a connection and, with a path, responds to a request with 2xx. The error says why
/// not.
pub(super) async fn check(upstream: &Upstream, path: Option<&PathAndQuery>, timeout: Duration) -> Result<(), String> {
    let checking = async {
        let stream = TcpStream::connect(upstream.address).await.map_err(|error| error.to_string())?;
        match path {
            Some(path) => request(stream, upstream.host.clone(), path).await,
            None => Ok(()),
        }
    };
    let what = if path.is_some() { "response" } else { "connection" };
    tokio::time::timeout(timeout, checking).await.unwrap_or_else(|_| Err(format!("no {what} within {timeout:?}")))
}

async fn request(stream: TcpStream, host: HeaderValue, path: &PathAndQuery) -> Result<(), String> {
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from(path.clone());
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static("countersign-gateway"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let response = tokio::select! {
        biased;
        response = requests.send_request(request) => response.map_err(|error| error.to_string())?,
        _ = connection => return Err("the connection was closed without a response".to_owned()),
    };
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(format!("the response to {path} is {status}")) }
}
