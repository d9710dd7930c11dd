//! Which headers a backend gets: those that say what was verified, and none that a client could use to say
//! the same, or to steer the backend.

use std::sync::LazyLock;

use countersign::Verified;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::steering::GROUPS;

/// A longer type of event is left out: most servers refuse long headers.
const MAX_TEXT: usize = 256;
const VERDICT: HeaderName = HeaderName::from_static("countersign-verdict");
const SOURCE: HeaderName = HeaderName::from_static("countersign-source");
const SCHEME: HeaderName = HeaderName::from_static("countersign-scheme");
const KEY: HeaderName = HeaderName::from_static("countersign-key");
const MESSAGE_ID: HeaderName = HeaderName::from_static("countersign-message-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("countersign-timestamp");
const EVENT_TYPE: HeaderName = HeaderName::from_static("countersign-event-type");
/// All of ours. The prefix covers them, but not a spelling without separators.
static VOUCHING: [HeaderName; 7] = [VERDICT, SOURCE, SCHEME, KEY, MESSAGE_ID, TIMESTAMP, EVENT_TYPE];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED: [HeaderName; 3] = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];

static SIGNED: [HeaderName; 3] = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];
/// How the body is to be read. Not signed, but nobody between the sender and us is to take them away.
static CONTENT: [HeaderName; 2] = [CONTENT_TYPE, CONTENT_ENCODING];
static FRAMING: [HeaderName; 3] = [HOST, CONTENT_LENGTH, EXPECT];
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Headers that a route forwards although they steer a backend: something in front of the gateway sets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened(Vec<HeaderName>);

impl Opened {
    /// Opens this header. `Ok(false)` means that it is forwarded without being opened.
    pub fn open(&mut self, text: &str) -> Result<bool, String> {
        let name = HeaderName::from_bytes(text.as_bytes())
            .ok()
            .filter(|name| !name.as_str().contains('*'))
            .ok_or_else(|| format!("`{text}` is not the name of one header, like \"x-real-ip\""))?;
        let folded = Folded::of(name.as_str());
        if is_vouching(name.as_str(), &folded) {
            return Err(format!("`{text}` is the gateway's own: no client may set `countersign-*` headers"));
        }
        for (kind, names) in [
            ("signed: it is always forwarded as it was verified", &SIGNED[..]),
            ("part of the request's framing, which the gateway writes anew", &FRAMING),
            ("for one connection only and is never forwarded", &HOP_BY_HOP),
        ] {
            if names.iter().any(|known| folded.is(known)) {
                return Err(format!("`{text}` is {kind}; remove it from `forward_headers`"));
            }
        }
        if let Some(known) = CONTENT.iter().chain(&FORWARDED).find(|known| folded.is(known) && **known != name) {
            return Err(format!("`{text}` is another spelling of `{known}`, which a backend could mistake for it"));
        }
        let steers = is_untrusted(&name, &Self::default());
        self.0.push(name);
        Ok(steers)
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }
}

/// Removes every header of a request that its backend must not get from a client.
pub fn remove_untrusted(headers: &mut HeaderMap, opened: &Opened) {
    remove_listed(headers, |name| is_content(name) || SIGNED.contains(name) || opened.contains(name));
    for name in HOP_BY_HOP.iter().chain(&FRAMING) {
        headers.remove(name);
    }
    remove_if(headers, |name| is_untrusted(name, opened));
}

/// Removes from a response what concerns one connection only: the known names, and those that `Connection` lists.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    remove_listed(headers, is_content);
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes from a response every header that could be taken for one of the gateway's own.
pub fn remove_vouching(headers: &mut HeaderMap) {
    remove_if(headers, |name| is_vouching(name.as_str(), &Folded::of(name.as_str())));
}

/// Removes the headers that `Connection` lists (RFC 9110, section 7.6.1). Whoever can add a `Connection`
/// header must not be able to take away those that are kept.
fn remove_listed(headers: &mut HeaderMap, keeps: impl Fn(&HeaderName) -> bool) {
    if headers.contains_key(CONNECTION) {
        let listed = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let names: Vec<_> =
            listed.flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
        remove_if(headers, |name| !keeps(name) && names.iter().any(|listed| listed == name.as_str()));
    }
}

fn is_content(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-")
}

/// Says what was verified. Of a token's delivery, `webhook-id` and `webhook-timestamp` are not signed: they
/// are overwritten, whatever the scheme. `webhook-signature` stays as it came, for a backend that verifies
/// again.
pub fn insert_verdict(headers: &mut HeaderMap, verified: &Verified) {
    headers.insert(VERDICT, HeaderValue::from_static("verified"));
    headers.insert(SCHEME, HeaderValue::from_static(verified.scheme().as_str()));
    headers.insert(WEBHOOK_ID, verified.message_id().to_header_value());
    headers.insert(MESSAGE_ID, verified.message_id().to_header_value());
    let timestamp = HeaderValue::from(verified.timestamp());
    headers.insert(WEBHOOK_TIMESTAMP, timestamp.clone());
    headers.insert(TIMESTAMP, timestamp);
    insert_text(headers, SOURCE, verified.source());
    insert_text(headers, KEY, verified.key());
    if let Some(event_type) = verified.event_type() {
        insert_text(headers, EVENT_TYPE, &event_type);
    }
}

/// Says who is connected, and to which host. What is still there was opened by the operator: a chain of
/// addresses is continued, and the rest stays.
pub fn insert_forwarded(headers: &mut HeaderMap, peer: Option<&HeaderValue>, host: Option<HeaderValue>) {
    if let Some(peer) = peer {
        let chain = continued(headers, peer);
        headers.insert(X_FORWARDED_FOR, chain);
    }
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// The chain of addresses with the peer at its end.
fn continued(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let chain = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let chain = chain.chain(peer.to_str()).collect::<Vec<_>>();
    match chain[..] {
        [] | [_] => peer.clone(),
        _ => HeaderValue::try_from(chain.join(", ")).unwrap_or_else(|_| peer.clone()),
    }
}

/// Inserts a text if it is visible ASCII and not too long, as the names of sources and keys are.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if (1..=MAX_TEXT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && let Ok(value) = HeaderValue::from_str(text)
    {
        headers.insert(name, value);
    }
}

fn remove_if(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    // Names are collected only if there are any: a genuine sender sends none.
    if headers.keys().any(&unwanted) {
        let names: Vec<_> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// The letters and digits of a header's name, in lower case, as far as they are needed.
///
/// CGI, WSGI, Rack, PHP and others map `-`, `_`, `.` and more to one character, some collapse or trim, and
/// some code removes it: `X-Forwarded_For`, `x.forwarded.for` and `x--forwardedfor` are one name here. So is
/// what a name becomes with the `HTTP_` of CGI in front, by which some code looks it up.
struct Folded {
    buffer: [u8; Self::MAX],
    len: usize,
}

impl Folded {
    /// Longer than all names and families that there are to compare with.
    const MAX: usize = 48;

    fn of(name: &str) -> Self {
        let mut folded = Self { buffer: [0; Self::MAX], len: 0 };
        let kept = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        for (to, byte) in folded.buffer.iter_mut().zip(kept) {
            *to = byte;
            folded.len += 1;
        }
        folded
    }

    fn as_bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// As it is, and without the `HTTP_` of CGI.
    fn readings(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.as_bytes()).chain(self.as_bytes().strip_prefix(b"http"))
    }

    fn is(&self, name: &HeaderName) -> bool {
        let wanted = Self::of(name.as_str());
        self.readings().any(|reading| reading == wanted.as_bytes())
    }
}

/// The names and families to compare with, folded and sorted.
struct Known {
    /// With the one spelling that is not removed, if there is one.
    names: Vec<(Vec<u8>, Option<HeaderName>)>,
    families: Vec<Vec<u8>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let fold = |name: &str| Folded::of(name).as_bytes().to_vec();
    let exact = SIGNED.iter().chain(&CONTENT).chain(&FRAMING).chain(&HOP_BY_HOP);
    let exact = exact.map(|name| (fold(name.as_str()), Some(name.clone())));
    let vouching = VOUCHING.iter().map(|name| (fold(name.as_str()), None));
    let steering = GROUPS.iter().flat_map(|group| group.names).map(|name| (fold(name), None));
    let mut names: Vec<_> = exact.chain(vouching).chain(steering).collect();
    names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Known { names, families: GROUPS.iter().flat_map(|group| group.families).map(|family| fold(family)).collect() }
});

/// Whether a backend could take this header for one of ours, for a signed one, or be steered by it.
fn is_untrusted(name: &HeaderName, opened: &Opened) -> bool {
    if opened.contains(name) {
        return false;
    }
    let folded = Folded::of(name.as_str());
    // No header in use has a `%`, and what a backend that decodes names makes of it is not known.
    name.as_str().contains('%')
        || is_vouching(name.as_str(), &folded)
        || folded.readings().any(|reading| {
            KNOWN.families.iter().any(|family| reading.starts_with(family))
                || KNOWN
                    .names
                    .binary_search_by(|(known, _)| known.as_slice().cmp(reading))
                    .is_ok_and(|at| KNOWN.names[at].1.as_ref() != Some(name))
        })
}

/// Whether it is `countersign`, alone or with anything after a separator. `countersigned` is another word.
fn is_vouching(name: &str, folded: &Folded) -> bool {
    const PREFIX: &[u8] = b"countersign";
    let Some(len) = [PREFIX, b"httpcountersign"].iter().find(|start| folded.as_bytes().starts_with(start)) else {
        return false;
    };
    let mut after = name.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()).skip(len.len() - 1);
    let last = after.next().map_or(0, |(at, _)| at);
    name.as_bytes().get(last + 1).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &[&str]) -> HeaderMap {
        let pair = |name: &&str| (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("x"));
        names.iter().map(pair).collect()
    }

    /// What is left of these names.
    fn left(names: &[&str], opened: &Opened) -> Vec<String> {
        let mut headers = headers(names);
        remove_untrusted(&mut headers, opened);
        let mut left: Vec<_> = headers.keys().map(ToString::to_string).collect();
        left.sort_unstable();
        left
    }

    /// Spellings that some server or framework maps to the same variable.
    fn spellings(name: &str) -> Vec<String> {
        let with = |separator: &str| name.replace('-', separator);
        let separators = ["_", ".", "!", "~", "--", "__", "-_", "+", "'", "|", ""].map(with);
        let around = ["-", "_", "."].map(|edge| [format!("{edge}{name}"), format!("{name}{edge}")]).concat();
        let mixed =
            [name.replacen('-', "_", 1), name.to_ascii_uppercase().replace('-', "_"), format!("HTTP_{}", with("_"))];
        separators.into_iter().chain(around).chain(mixed).filter(|spelling| spelling != name).collect()
    }

    #[test]
    fn no_other_spelling_of_a_name_that_counts_is_left() {
        let exact = SIGNED.iter().chain(&CONTENT).chain(&FRAMING).chain(&HOP_BY_HOP).chain(&VOUCHING).chain(&FORWARDED);
        for name in exact {
            for spelling in spellings(name.as_str()) {
                // A name without a separator has no spelling without one.
                if spelling.eq_ignore_ascii_case(name.as_str()) {
                    continue;
                }
                assert_eq!(left(&[&spelling], &Opened::default()), [""; 0], "{spelling}");
            }
        }
        for name in ["webhook%2did", "countersign%2dsource", "countersign", "counter-sign-verdict", "countersign.x"] {
            assert_eq!(left(&[name], &Opened::default()), [""; 0], "{name}");
        }
    }

    #[test]
    fn what_neither_vouches_nor_steers_is_left() {
        let names = [
            "accept",
            "authorization",
            "ce-type",
            "content-encoding",
            "content-language",
            "content-type",
            "cookie",
            "countersignature",
            "countersigned",
            "idempotency-key",
            "traceparent",
            "user-agent",
            "via",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
            "webhook-topic",
            "x-countersign-verdict",
            "x-github-event",
            "x-request-id",
            "x_other",
        ];
        assert_eq!(left(&names, &Opened::default()), names);
    }

    #[test]
    fn what_steers_a_backend_is_removed_in_every_spelling_unless_it_is_opened() {
        for group in &GROUPS {
            assert!(group.reason.ends_with('.') && !(group.names.is_empty() && group.families.is_empty()));
            let members = group.families.iter().flat_map(|family| [format!("{family}-any"), format!("{family}any")]);
            for name in group.names.iter().map(|name| (*name).to_owned()).chain(members) {
                let mut opened = Opened::default();
                assert_eq!(left(&[&name], &opened), [""; 0], "{name}");
                for spelling in spellings(&name) {
                    assert_eq!(left(&[&spelling], &opened), [""; 0], "{spelling}");
                }
                assert_eq!(opened.open(&name), Ok(true));
                assert_eq!(left(&[&name, "accept"], &opened), ["accept", &name], "{name}");
                let other = name.replace('-', "_");
                if other != name {
                    assert_eq!(left(&[&other], &opened), [""; 0], "only the name that was opened passes: {other}");
                }
            }
        }
        let names = GROUPS.iter().flat_map(|group| group.names.iter().chain(group.families));
        assert!(names.into_iter().all(|name| name.len() < Folded::MAX));
        assert!(VOUCHING.iter().all(|name| name.as_str().len() < Folded::MAX));
    }

    #[test]
    fn a_header_that_no_client_may_set_cannot_be_opened() {
        let mut opened = Opened::default();
        for name in [
            "countersign-verdict",
            "Countersign_X",
            "countersign",
            "HTTP_COUNTERSIGN_KEY",
            "webhook-id",
            "webhook_id",
            "Webhook-Signature",
            "connection",
            "te",
            "upgrade",
            "proxy-authorization",
            "host",
            "content-length",
            "content_length",
            "expect",
            "x_forwarded_for",
            "content_type",
            "x-*",
            "*",
            "",
            "a b",
            "x:y",
            "gr\u{fc}n",
        ] {
            assert!(opened.open(name).is_err(), "{name}");
        }
        assert_eq!(opened, Opened::default());
        assert_eq!((opened.open("X-Real-IP"), opened.open("x-mine")), (Ok(true), Ok(false)));
    }

    #[test]
    fn what_concerns_one_connection_goes_no_further_and_takes_nothing_along() {
        let mut hop = headers(&[
            "x-mine",
            "te",
            "x-other",
            "http2-settings",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
            "content-type",
            "content-encoding",
            "x-real-ip",
        ]);
        let list = "close, X-Mine, Webhook-Id,webhook-timestamp , webhook-signature, content-type, Content-Encoding, x-real-ip";
        hop.insert(CONNECTION, HeaderValue::from_static(list));
        let mut opened = Opened::default();
        assert_eq!(opened.open("x-real-ip"), Ok(true));
        remove_untrusted(&mut hop, &opened);
        let mut left: Vec<_> = hop.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let kept = ["webhook-id", "webhook-signature", "webhook-timestamp", "x-other", "x-real-ip"];
        assert_eq!(left, [&["content-encoding", "content-type"][..], &kept].concat());

        let mut response = headers(&["x-mine", "content-type", "keep-alive", "x-other"]);
        response.insert(CONNECTION, HeaderValue::from_static("x-mine, content-type"));
        remove_hop_by_hop(&mut response);
        assert!(response.len() == 2 && response.contains_key("content-type") && response.contains_key("x-other"));
    }

    #[test]
    fn what_the_client_says_of_its_way_counts_only_if_it_was_opened() {
        let peer = HeaderValue::from_static("192.0.2.9");
        for (opens, expected) in [
            (&[][..], ["192.0.2.9", "http", "h"]),
            (&["x-forwarded-for"], ["x, 192.0.2.9", "http", "h"]),
            (&["x-forwarded-proto", "x-forwarded-host"], ["192.0.2.9", "x", "x"]),
        ] {
            let mut opened = Opened::default();
            assert!(opens.iter().all(|name| opened.open(name) == Ok(true)));
            let mut headers = headers(&["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);
            remove_untrusted(&mut headers, &opened);
            insert_forwarded(&mut headers, Some(&peer), Some(HeaderValue::from_static("h")));
            let values = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| headers[name].clone());
            assert_eq!(values, expected, "{opens:?}");
        }
        let mut unknown = HeaderMap::new();
        insert_forwarded(&mut unknown, None, None);
        assert!(!unknown.contains_key("x-forwarded-for") && !unknown.contains_key("x-forwarded-host"));
    }
}
