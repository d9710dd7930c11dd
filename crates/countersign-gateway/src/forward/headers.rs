//! The headers of a request as a backend gets it.

use std::fmt;
use std::net::IpAddr;

use countersign::Verified;
use http::{HeaderMap, HeaderName, HeaderValue, request};

use crate::route::host_of;
use crate::trust;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

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

pub(super) fn headers_for_upstream(head: request::Parts) -> HeaderMap {
    let host = host_of(&head).and_then(|host| HeaderValue::from_str(host).ok());
    let mut headers = head.headers;
    trust::remove_hop_by_hop(&mut headers);
    trust::remove_framing(&mut headers);
    if let Some(verified) = head.extensions.get::<Verified>() {
        trust::insert_verdict(&mut headers, verified);
    }
    if let Some(peer) = head.extensions.get() {
        let chain = forwarded_for(&headers, peer);
        insert_or_remove(&mut headers, X_FORWARDED_FOR, chain);
    }
    insert_or_remove(&mut headers, X_FORWARDED_HOST, host);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers
}

/// Who forwarded the request to whom, the peer last: what stands before it is what the peer said.
fn forwarded_for(headers: &HeaderMap, Peer(address): &Peer) -> Option<HeaderValue> {
    if !headers.contains_key(X_FORWARDED_FOR) {
        return Some(address.clone());
    }
    let chain = headers.get_all(X_FORWARDED_FOR).iter().chain([address]);
    let texts: Vec<_> = chain.filter_map(|value| value.to_str().ok()).collect();
    HeaderValue::from_str(&texts.join(", ")).ok()
}

/// What is not known is not left to whoever sent the request.
fn insert_or_remove(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => headers.insert(name, value),
        None => headers.remove(name),
    };
}
