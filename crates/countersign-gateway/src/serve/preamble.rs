//! What precedes HTTP on the connections of a listener.

use std::io;
use std::sync::Arc;

use super::Ending;
use super::client_slots::Full;
use super::proxy_header::{MAX_HEADER, MalformedProxyHeader, ProxyHeader};
use super::socket::Socket;
use super::stream::Stream;
use super::tls::{Tls, is_plain};
use crate::connection::Address;

/// What precedes HTTP on the connections of a listener. Default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Preamble {
    /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2.
    pub proxy_header: bool,
    /// TLS, after the header of the PROXY protocol if there is one.
    pub tls: Option<Arc<Tls>>,
}

/// Why HTTP does not begin on a connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is to be counted.
    Counted(Ending),
    /// A request in plain text arrived in place of TLS.
    Plain(Socket, Address),
    /// The client has disconnected.
    Gone,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Progress {
    /// Nothing has arrived.
    #[default]
    Nothing,
    /// A part of the header of the PROXY protocol has arrived.
    ProxyHeader,
    /// A part of the TLS handshake has arrived.
    Handshake,
}

impl Progress {
    /// How a connection ends that comes no further in time.
    pub(super) fn late(self) -> Ending {
        match self {
            Self::Nothing => Ending::IdleTimeout,
            Self::ProxyHeader => Ending::HeadTimeout,
            Self::Handshake => Ending::TlsHandshakeTimeout,
        }
    }
}

impl From<MalformedProxyHeader> for Failure {
    fn from(_: MalformedProxyHeader) -> Self {
        Self::Counted(Ending::MalformedProxyHeader)
    }
}

impl From<Full> for Failure {
    fn from(_: Full) -> Self {
        Self::Counted(Ending::ClientConnections)
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Preamble {
    /// Whether HTTP begins at once.
    pub(super) fn is_empty(&self) -> bool {
        !self.proxy_header && self.tls.is_none()
    }

    /// Reads what precedes HTTP. Returns the stream of HTTP and the address of the client, which is `peer` if none is
    /// announced, with what `admit` returns for it before any cryptography.
    pub(super) async fn read<T>(
        &self,
        stream: Socket,
        peer: Address,
        progress: &mut Progress,
        admit: impl FnOnce(Address) -> Result<T, Failure>,
    ) -> Result<(Stream, Address, T), Failure> {
        let announced = if self.proxy_header { read_proxy_header(&stream, progress).await? } else { None };
        let peer = announced.map_or(peer, Address::from);
        let admitted = admit(peer)?;
        let stream = match &self.tls {
            Some(tls) => Stream::Tls(Box::new(handshake(tls, stream, peer, progress).await?)),
            None => Stream::Plain(stream),
        };
        Ok((stream, peer, admitted))
    }
}

/// Reads the header of the PROXY protocol and not a byte more. Returns the announced address of the client, if there is
/// one.
async fn read_proxy_header(stream: &Socket, progress: &mut Progress) -> Result<Option<std::net::IpAddr>, Failure> {
    let (mut bytes, mut known) = ([0; MAX_HEADER], 0);
    loop {
        // A header that is incomplete has fewer than `MAX_HEADER` bytes, so that there is room for more.
        let arrived = stream.peek(&mut bytes[known..]).await?;
        if arrived == 0 {
            return Err(if known == 0 { Failure::Gone } else { MalformedProxyHeader.into() });
        }
        *progress = Progress::ProxyHeader;
        let header = ProxyHeader::parse(&bytes[..known + arrived])?;
        let end = header.map_or(known + arrived, |header| header.length);
        known += take(stream, &mut bytes[known..end])?;
        if let Some(header) = header.filter(|header| header.length == known) {
            return Ok(header.source);
        }
    }
}

/// Takes bytes that were seen, so that they do not make the stream ready again.
fn take(stream: &Socket, seen: &mut [u8]) -> io::Result<usize> {
    match stream.try_read(seen) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        read => read,
    }
}

async fn handshake(
    tls: &Tls,
    stream: Socket,
    peer: Address,
    progress: &mut Progress,
) -> Result<tokio_rustls::server::TlsStream<Socket>, Failure> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => return Err(Failure::Gone),
        _ if is_plain(first[0]) => return Err(Failure::Plain(stream, peer)),
        _ => *progress = Progress::Handshake,
    }
    tls.accept(stream).await.map_err(|error| {
        tracing::debug!(%peer, %error, "the TLS handshake failed");
        Failure::Counted(Ending::TlsHandshake)
    })
}
