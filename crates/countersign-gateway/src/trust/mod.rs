//! The headers that a backend receives: they describe the verified request, and the client cannot use them to
//! forge that description or to steer the backend.

mod folded;
mod known;
mod names;
mod opened;
mod set;
#[cfg(test)]
mod tests;

use countersign::Verified;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::connection::{Connection, Peer, Scheme};
use crate::list::elements;
use folded::Folded;
use known::{is_untrusted, is_vouching};
use names::{
    CLIENT, DUPLICATE, EVENT_TYPE, FRAMING, HOP_BY_HOP, KEY, MESSAGE_ID, SCHEME, SIGNED, SOURCE, TIMESTAMP, VERDICT,
    X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO,
};
pub use opened::Opened;
pub use set::{SetHeaders, are_alike, settable};

/// A longer event type is omitted, because most servers reject long headers.
const MAX_TEXT: usize = 256;

/// Removes every header of a request that the backend must not receive from a client.
pub fn remove_untrusted(headers: &mut HeaderMap, opened: &Opened) {
    remove_listed(headers, |name| is_content(name) || SIGNED.contains(name) || opened.contains(name));
    for name in HOP_BY_HOP.iter().chain(&FRAMING) {
        headers.remove(name);
    }
    remove_if(headers, |name| !opened.contains(name) && (is_untrusted(name) || opened.resembles(name)));
}

/// Removes the headers of a response that concern one connection only: the known ones, and those in `Connection`.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    remove_listed(headers, is_content);
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes every header of a response that could be read as one of the gateway's own.
pub fn remove_vouching(headers: &mut HeaderMap) {
    remove_if(headers, |name| is_vouching(&Folded::of(name.as_str())));
}

/// Removes the headers that `Connection` lists (RFC 9110, section 7.6.1). Some headers are kept, because a client
/// that adds a `Connection` header must not be able to remove them.
fn remove_listed(headers: &mut HeaderMap, keeps: impl Fn(&HeaderName) -> bool) {
    if headers.contains_key(CONNECTION) {
        let names = elements(headers, &CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok());
        let names: Vec<_> = names.collect();
        remove_if(headers, |name| !keeps(name) && names.contains(name));
    }
}

fn is_content(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-")
}

/// Writes the headers that describe the verified request. A token leaves the id and timestamp headers unsigned, so they
/// are overwritten for every scheme. `signature` is the verified header, and stays unchanged for a
/// backend that verifies again. A source with other header names gets them too, and no unsigned `webhook-signature`.
pub fn insert_verdict(headers: &mut HeaderMap, verified: &Verified, signature: Option<HeaderValue>) {
    headers.insert(VERDICT, HeaderValue::from_static("verified"));
    headers.insert(SCHEME, HeaderValue::from_static(verified.scheme().as_str()));
    headers.insert(WEBHOOK_ID, verified.message_id().to_header_value());
    headers.insert(MESSAGE_ID, verified.message_id().to_header_value());
    let timestamp = HeaderValue::from(verified.timestamp().as_secs());
    headers.insert(WEBHOOK_TIMESTAMP, timestamp.clone());
    headers.insert(TIMESTAMP, timestamp.clone());
    let names = verified.header_set();
    if names.id != WEBHOOK_ID {
        headers.remove(WEBHOOK_SIGNATURE);
        headers.insert(&names.id, verified.message_id().to_header_value());
        headers.insert(&names.timestamp, timestamp);
        if let Some(signature) = signature {
            headers.insert(&names.signature, signature);
        }
    }
    insert_text(headers, SOURCE, verified.source());
    insert_text(headers, KEY, verified.key_label());
    if let Some(event_type) = verified.event_type() {
        insert_text(headers, EVENT_TYPE, &event_type);
    }
}

/// Says that the message was handled before.
pub fn insert_duplicate(headers: &mut HeaderMap) {
    headers.insert(DUPLICATE, HeaderValue::from_static("true"));
}

/// Says who is connected, and to which host, as far as a trusted proxy or the connection tells. What is still there was
/// opened by the operator: a chain of addresses is continued, and of several hosts, ports or schemes the last stays, which
/// is the one of the proxy in front.
pub fn insert_forwarded(headers: &mut HeaderMap, connection: Option<&Connection>, host: Option<HeaderValue>) {
    if let Some(connection) = connection {
        let chain = continued(headers, connection);
        headers.insert(X_FORWARDED_FOR, chain);
        if let Some(client) = connection.client() {
            headers.insert(CLIENT, client.clone());
        }
    }
    insert_last(headers, &X_FORWARDED_HOST, host);
    insert_last(headers, &X_FORWARDED_PORT, connection.and_then(Connection::port).map(HeaderValue::from));
    let scheme = connection.map_or(Scheme::Http, Connection::scheme);
    insert_last(headers, &X_FORWARDED_PROTO, Some(HeaderValue::from_static(scheme.as_str())));
}

/// The chain of addresses with the peer at its end. An opened chain names the client of a trusted proxy already, so the
/// proxy is at its end. An element that is not ASCII text becomes `unknown`, so that all
/// others keep their place.
fn continued(headers: &HeaderMap, connection: &Connection) -> HeaderValue {
    let mut chain = Vec::new();
    for element in elements(headers, &X_FORWARDED_FOR) {
        let is_text = element.iter().all(|byte| matches!(byte, b' '..=b'~'));
        chain.extend_from_slice(if is_text { element } else { b"unknown" });
        chain.extend_from_slice(b", ");
    }
    let peer: &Peer = connection.proxy().filter(|_| !chain.is_empty()).unwrap_or(connection.peer());
    chain.extend_from_slice(peer.as_bytes());
    HeaderValue::from_bytes(&chain).unwrap_or_else(|_| peer.to_header_value())
}

/// Keeps the last element of this header, or inserts `otherwise` if there is none.
fn insert_last(headers: &mut HeaderMap, name: &HeaderName, otherwise: Option<HeaderValue>) {
    let last = elements(headers, name).last().and_then(|last| HeaderValue::from_bytes(last).ok());
    match last.or(otherwise) {
        Some(value) => _ = headers.insert(name, value),
        None => _ = headers.remove(name),
    }
}

/// Inserts a text if it is visible ASCII and not too long, which the names of sources and keys are.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if (1..=MAX_TEXT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && let Ok(value) = HeaderValue::from_str(text)
    {
        headers.insert(name, value);
    }
}

fn remove_if(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    // Names are collected only if there are any, which is never the case for an authentic sender.
    if headers.keys().any(&unwanted) {
        let names: Vec<_> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}
