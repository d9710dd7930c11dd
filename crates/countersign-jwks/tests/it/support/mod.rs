//! Keys, documents and deliveries that are signed with them.

pub(crate) mod source;

use std::time::Duration;

use bytes::Bytes;
use countersign::sign::Signer;
use countersign::{MessageId, UnixTime, Verified, Verifier};
use countersign_jwks::Document;
use http::HeaderMap;

/// What every delivery of these tests says.
pub(crate) const BODY: &[u8] = br#"{"type":"batch.succeeded"}"#;
/// When every delivery of these tests was signed.
pub(crate) const SIGNED: UnixTime = UnixTime::from_secs(1_790_661_946);

pub(crate) use countersign_test::keys::{jwk, key, key_set};

pub(crate) fn document(numbers: &[u8]) -> Document {
    Document { body: key_set(numbers).into(), max_age: None }
}

pub(crate) fn document_for(numbers: &[u8], max_age: Duration) -> Document {
    Document { max_age: Some(max_age), ..document(numbers) }
}

/// The headers of a delivery that is signed with this key.
pub(crate) fn delivery(number: u8) -> HeaderMap {
    let id = MessageId::parse("msg_1").unwrap();
    Signer::with_keys([], [key(number)]).unwrap().sign(&id, SIGNED, BODY)
}

pub(crate) fn verify(verifier: &Verifier, headers: &HeaderMap) -> Result<Verified, countersign::Rejection> {
    verifier.begin(headers, SIGNED)?.finish(Bytes::from_static(BODY))
}
