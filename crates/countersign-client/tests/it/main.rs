//! The client against real sockets: servers, certificate authorities and proxies on loopback.

#![expect(clippy::unwrap_used, reason = "what a test cannot do is its failure")]

mod bounds;
mod proxy;
mod server;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use countersign_client::{Client, Error};
use http::{Request, StatusCode};

/// Long enough for everything that is to succeed on a busy machine.
const PATIENT: Duration = Duration::from_secs(30);
/// Short, for what is to run into it.
const SHORT: Duration = Duration::from_millis(300);

/// Gets a URL, body included.
async fn get(client: &Client, url: &str) -> Result<(StatusCode, Bytes), Error> {
    let response = client.send(Request::get(url).body(Bytes::new()).unwrap()).await?;
    let status = response.status();
    Ok((status, response.into_body().bytes().await?))
}
