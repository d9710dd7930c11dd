//! The headers of a request as a backend gets it.

use std::fmt;
use std::net::IpAddr;

use countersign::Verified;
use http::{HeaderMap, HeaderValue, request};

use crate::route::host_of;
use crate::trust::{self, Opened};

/// Who sent the request; in its extensions. The address is written out once for a connection.
#[derive(Clone, Debug)]
pub struct Peer(HeaderValue);

impl Peer {
    /// The peer of this address.
    pub fn new(address: IpAddr) -> Option<Self> {
        HeaderValue::from_str(&address.to_string()).ok().map(Self)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

pub(super) fn headers_for_upstream(head: request::Parts, opened: &Opened) -> HeaderMap {
    let host = host_of(&head).and_then(|host| HeaderValue::from_str(host).ok());
    let mut headers = head.headers;
    trust::remove_untrusted(&mut headers, opened);
    if let Some(verified) = head.extensions.get::<Verified>() {
        trust::insert_verdict(&mut headers, verified);
    }
    let peer = head.extensions.get().map(|Peer(address)| address);
    trust::insert_forwarded(&mut headers, peer, host);
    headers
}
