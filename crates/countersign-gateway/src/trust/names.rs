//! The headers that the gateway writes, and those that it handles individually.

use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use http::HeaderName;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

pub(super) const VERDICT: HeaderName = HeaderName::from_static("countersign-verdict");
pub const SOURCE: HeaderName = HeaderName::from_static("countersign-source");
pub const SCHEME: HeaderName = HeaderName::from_static("countersign-scheme");
pub const KEY: HeaderName = HeaderName::from_static("countersign-key");
pub(super) const MESSAGE_ID: HeaderName = HeaderName::from_static("countersign-message-id");
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("countersign-timestamp");
pub const EVENT_TYPE: HeaderName = HeaderName::from_static("countersign-event-type");
pub(super) const DUPLICATE: HeaderName = HeaderName::from_static("countersign-duplicate");
pub(super) const ATTEMPT: HeaderName = HeaderName::from_static("countersign-attempt");
pub const ASSERTION: HeaderName = HeaderName::from_static("countersign-assertion");
pub(super) const CLIENT: HeaderName = HeaderName::from_static("countersign-client");
/// All headers of the gateway. The prefix covers them, but not a spelling without separators.
pub(super) static VOUCHING: [HeaderName; 10] =
    [VERDICT, SOURCE, SCHEME, KEY, MESSAGE_ID, TIMESTAMP, EVENT_TYPE, DUPLICATE, CLIENT, ASSERTION];

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(super) static FORWARDED: [HeaderName; 4] = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT];

pub(super) static SIGNED: [HeaderName; 3] = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE];
/// The headers that describe the body. They are not signed, but a `Connection` header must not remove them.
pub(super) static CONTENT: [HeaderName; 2] = [CONTENT_TYPE, CONTENT_ENCODING];
pub(super) static FRAMING: [HeaderName; 3] = [HOST, CONTENT_LENGTH, EXPECT];
pub(super) static HOP_BY_HOP: [HeaderName; 10] = [
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
