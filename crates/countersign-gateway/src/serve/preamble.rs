//! What precedes HTTP on the connections of a listener.

use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;

use super::Ending;
use super::proxy_header::{MAX_HEADER, MalformedProxyHeader, ProxyHeader};

/// What precedes HTTP on the connections of a listener. Default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Preamble {
    /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2.
    pub proxy_header: bool,
}

/// Why HTTP does not begin on a connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is to be counted.
    Counted(Ending),
    /// The client has disconnected.
    Gone,
}

impl From<MalformedProxyHeader> for Failure {
    fn from(_: MalformedProxyHeader) -> Self {
        Self::Counted(Ending::MalformedProxyHeader)
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Reads the header of the PROXY protocol and not a byte more. Returns the announced address of the client, if there is
/// one. `has_begun` becomes true with the first byte.
pub(super) async fn read_proxy_header(stream: &TcpStream, has_begun: &mut bool) -> Result<Option<IpAddr>, Failure> {
    let (mut bytes, mut known) = ([0; MAX_HEADER], 0);
    loop {
        // A header that is incomplete has fewer than `MAX_HEADER` bytes, so that there is room for more.
        let arrived = stream.peek(&mut bytes[known..]).await?;
        if arrived == 0 {
            return Err(if known == 0 { Failure::Gone } else { MalformedProxyHeader.into() });
        }
        *has_begun = true;
        let header = ProxyHeader::parse(&bytes[..known + arrived])?;
        let end = header.map_or(known + arrived, |header| header.length);
        known += take(stream, &mut bytes[known..end])?;
        if let Some(header) = header.filter(|header| header.length == known) {
            return Ok(header.source);
        }
    }
}

/// Takes bytes that were seen, so that they do not make the stream ready again.
fn take(stream: &TcpStream, seen: &mut [u8]) -> io::Result<usize> {
    match stream.try_read(seen) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        read => read,
    }
}
