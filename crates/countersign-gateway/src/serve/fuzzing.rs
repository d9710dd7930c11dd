//! What the project's own fuzzers and tests call, below [`Server`](super::Server).

use std::net::IpAddr;

use bytes::Bytes;
use http::Request;

use super::plain::PlainHead;
use super::proxy_header::ProxyHeader;
use super::scan::Scan;

/// The head of a request that the accelerator serves.
#[derive(Debug)]
pub struct Plain {
    /// The request, without its body.
    pub request: Request<()>,
    /// The length of the head on the wire, in bytes.
    pub head: usize,
    /// The length of the body, in bytes.
    pub body: u64,
}

/// The head that these bytes begin with, if the accelerator serves it.
pub fn plain_head(received: &Bytes) -> Option<Plain> {
    PlainHead::of(received).map(|head| Plain { request: head.request, head: head.bytes, body: head.body })
}

/// The length of the header of the PROXY protocol that these bytes begin with, and the address in it. `None` if it is
/// incomplete, and an error if it is malformed.
#[expect(clippy::result_unit_err, reason = "there is one error")]
pub fn proxy_header(bytes: &[u8]) -> Result<Option<(usize, Option<IpAddr>)>, ()> {
    let header = ProxyHeader::parse(bytes).map_err(drop)?;
    Ok(header.map(|header| (header.length, header.source)))
}

/// What is known of a connection's bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Followed {
    /// The length of each complete head, and whether it has two framings.
    pub heads: Vec<(usize, bool)>,
    /// The bytes of an incomplete head.
    pub partial: usize,
    /// Whether the framing could not be followed.
    pub is_lost: bool,
    /// Whether the last request has arrived completely.
    pub is_complete: bool,
}

/// Follows the requests in these pieces, of which `requests` are served.
pub fn follow(pieces: &[&[u8]], requests: usize) -> Followed {
    let mut scan = Scan::new();
    for piece in pieces {
        scan.read(piece);
    }
    let heads = (0..requests).map(|_| scan.next_head()).map(|head| (head.bytes, head.two_framings)).collect();
    Followed { heads, partial: scan.partial_bytes(), is_lost: scan.is_lost(), is_complete: scan.is_complete() }
}
