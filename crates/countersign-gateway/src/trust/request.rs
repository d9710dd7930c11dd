//! The headers of a forwarded request, written in one pass over the client's.

use countersign::Verified;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

use super::known::{Kind, kind};
use super::names::{
    CLIENT, DUPLICATE, EVENT_TYPE, FORWARDED, KEY, MESSAGE_ID, SCHEME, SOURCE, TIMESTAMP, VERDICT, X_FORWARDED_FOR,
    X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO,
};
use super::{Opened, SetHeaders};
use crate::connection::{Connection, Peer, Scheme};
use crate::list::{elements, lists};

/// A longer event type is omitted, because most servers reject long headers.
const MAX_TEXT: usize = 256;

/// The headers of a request to a backend. `Host` and `Content-Length` are not among them.
#[derive(Clone, Copy)]
pub struct BackendHeaders<'a> {
    /// The headers of the client.
    pub client: &'a HeaderMap,
    /// The client headers that are forwarded although they steer a backend.
    pub opened: &'a Opened,
    /// The headers that the route sets.
    pub set: &'a SetHeaders,
    /// The verified request.
    pub verified: &'a Verified,
    /// Whether the message was handled before.
    pub is_duplicate: bool,
    /// The connection that the request arrived on.
    pub connection: Option<&'a Connection>,
    /// The host that the client named.
    pub host: Option<&'a str>,
}

impl BackendHeaders<'_> {
    /// Calls `put` with the name and the value of each header. A name with several values comes several times.
    pub fn each(&self, mut put: impl FnMut(&str, &[u8])) {
        self.each_of_client(&mut put);
        for (name, value) in self.set.iter() {
            put(name.as_str(), value.as_bytes());
        }
        self.each_of_verdict(&mut put);
        each_of_way(self.client, self.opened, self.connection, self.host, &mut put);
    }

    /// The headers of the client, without those that the gateway writes.
    fn each_of_client(&self, put: &mut impl FnMut(&str, &[u8])) {
        let client = ClientHeaders::new(self.client, self.opened);
        let verified = self.verified.header_set();
        let has_other_names = verified.id != WEBHOOK_ID;
        for (name, value) in self.client {
            let is_written = *name == WEBHOOK_ID
                || *name == WEBHOOK_TIMESTAMP
                || has_other_names && (*name == WEBHOOK_SIGNATURE || verified.names().contains(&name))
                || FORWARDED.contains(name)
                || self.set.replaces(name.as_str());
            if !is_written && client.passes(name) {
                put(name.as_str(), value.as_bytes());
            }
        }
    }

    /// The headers that describe the verified request. A token leaves the id and timestamp headers unsigned, so they
    /// are written for every scheme. The verified signature stays as it is, for a backend that verifies again.
    /// A source with other header names gets them too, and no unsigned `webhook-signature`.
    fn each_of_verdict(&self, put: &mut impl FnMut(&str, &[u8])) {
        let verified = self.verified;
        let id = verified.message_id().as_str().as_bytes();
        let mut digits = itoa::Buffer::new();
        let timestamp = digits.format(verified.timestamp().as_secs()).as_bytes();
        put(VERDICT.as_str(), b"verified");
        put(SCHEME.as_str(), verified.scheme().as_str().as_bytes());
        put(WEBHOOK_ID.as_str(), id);
        put(MESSAGE_ID.as_str(), id);
        put(WEBHOOK_TIMESTAMP.as_str(), timestamp);
        put(TIMESTAMP.as_str(), timestamp);
        let names = verified.header_set();
        if names.id != WEBHOOK_ID {
            put(names.id.as_str(), id);
            put(names.timestamp.as_str(), timestamp);
            if let Some(signature) = self.client.get(&names.signature) {
                put(names.signature.as_str(), signature.as_bytes());
            }
        }
        put_text(put, &SOURCE, verified.source());
        put_text(put, &KEY, verified.key_label());
        if let Some(event_type) = verified.event_type() {
            put_text(put, &EVENT_TYPE, &event_type);
        }
        if self.is_duplicate {
            put(DUPLICATE.as_str(), b"true");
        }
    }
}

/// The headers of a client that its backend may get.
pub(super) struct ClientHeaders<'a> {
    headers: &'a HeaderMap,
    opened: &'a Opened,
    has_connection: bool,
}

impl<'a> ClientHeaders<'a> {
    pub(super) fn new(headers: &'a HeaderMap, opened: &'a Opened) -> Self {
        Self { headers, opened, has_connection: headers.contains_key(CONNECTION) }
    }

    /// Whether a backend may get this header as the client sent it.
    pub(super) fn passes(&self, name: &HeaderName) -> bool {
        match kind(name) {
            Kind::OneConnection => false,
            _ if self.opened.contains(name) => true,
            Kind::Untrusted => false,
            Kind::Signed => !self.opened.resembles(name),
            Kind::Other => !self.opened.resembles(name) && !self.is_listed(name),
        }
    }

    /// Whether `Connection` lists this header (RFC 9110, section 7.6.1). The headers that describe the body are kept,
    /// because a client that adds a `Connection` header must not be able to remove them.
    fn is_listed(&self, name: &HeaderName) -> bool {
        self.has_connection && !is_content(name) && lists(self.headers, &CONNECTION, name.as_str())
    }
}

/// Whether it describes the body.
pub(super) fn is_content(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-")
}

/// The headers that say who is connected, and to which host, as far as a trusted proxy or the connection tells. A
/// client's own count only if the operator opened them: a chain of addresses is continued, and of several hosts, ports
/// or schemes the last stays, which is the one of the proxy in front.
pub(super) fn each_of_way(
    client: &HeaderMap,
    opened: &Opened,
    connection: Option<&Connection>,
    host: Option<&str>,
    put: &mut impl FnMut(&str, &[u8]),
) {
    if let Some(connection) = connection {
        if opened.contains(&X_FORWARDED_FOR) {
            put(X_FORWARDED_FOR.as_str(), &continued(client, connection));
        } else {
            put(X_FORWARDED_FOR.as_str(), connection.peer().as_bytes());
        }
        if let Some(client) = connection.client() {
            put(CLIENT.as_str(), client.as_bytes());
        }
    }
    let mut put_last = |name: &HeaderName, otherwise: Option<&[u8]>| {
        let reported = if opened.contains(name) { elements(client, name).last() } else { None };
        if let Some(value) = reported.or(otherwise) {
            put(name.as_str(), value);
        }
    };
    put_last(&X_FORWARDED_HOST, host.map(str::as_bytes));
    let mut digits = itoa::Buffer::new();
    put_last(&X_FORWARDED_PORT, connection.and_then(Connection::port).map(|port| digits.format(port).as_bytes()));
    let scheme = connection.map_or(Scheme::Http, Connection::scheme);
    put_last(&X_FORWARDED_PROTO, Some(scheme.as_str().as_bytes()));
}

/// The chain of addresses with the peer at its end. An opened chain names the client of a trusted proxy already, so the
/// proxy is at its end. An element that is not ASCII text becomes `unknown`, so that all others keep their place.
fn continued(headers: &HeaderMap, connection: &Connection) -> Vec<u8> {
    let mut chain = Vec::new();
    for element in elements(headers, &X_FORWARDED_FOR) {
        let is_text = element.iter().all(|byte| matches!(byte, b' '..=b'~'));
        chain.extend_from_slice(if is_text { element } else { b"unknown" });
        chain.extend_from_slice(b", ");
    }
    let peer: &Peer = connection.proxy().filter(|_| !chain.is_empty()).unwrap_or(connection.peer());
    chain.extend_from_slice(peer.as_bytes());
    chain
}

/// Puts a text if it is visible ASCII and not too long, which the names of sources and keys are.
fn put_text(put: &mut impl FnMut(&str, &[u8]), name: &HeaderName, text: &str) {
    if is_header_text(text) {
        put(name.as_str(), text.as_bytes());
    }
}

/// Whether a text is visible ASCII, not empty and not too long.
pub fn is_header_text(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
