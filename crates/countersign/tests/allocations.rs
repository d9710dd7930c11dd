//! A verification allocates nothing: neither one that passes nor one that is refused.
//!
//! A binary of its own: `allocation-counter` replaces the global allocator of the program that links it, and the other
//! tests should run with the allocator that users have.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use bytes::Bytes;
use countersign::sign::Signer;
use countersign::{MessageId, Reason, Secret, UnixTime, Verified, Verifier};
use http::{HeaderMap, HeaderValue};

const NOW: UnixTime = UnixTime::from_secs(1_790_661_946);

#[test]
fn a_verification_allocates_nothing() {
    let secrets = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM="]
        .map(|text| Secret::parse(text).expect("a good secret"));
    let verifier = Verifier::builder("test").secrets(secrets.clone()).build().expect("a sound verifier");
    let signer = Signer::new(secrets).expect("two secrets");
    for len in [0, 200, 20 * 1024] {
        let body = shared(vec![b'x'; len]);
        let id = MessageId::parse("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk").expect("a good id");
        let headers = as_received(&signer.sign(&id, NOW, &body));
        let other = shared(vec![b'y'; len + 1]);

        let mut verdicts = Vec::with_capacity(2);
        let counted = allocation_counter::measure(|| {
            verdicts.push(verifier.begin(&headers, NOW).and_then(|attempt| attempt.finish(body.clone())));
            verdicts.push(verifier.begin(&headers, NOW).and_then(|attempt| attempt.finish(other.clone())));
        });
        assert_eq!(counted.count_total, 0, "for a body of {len} bytes: {counted:?}");
        assert_eq!(verdicts[0].as_ref().map(Verified::key_label), Ok("secret-1"));
        assert_eq!(
            verdicts[1].as_ref().map_err(countersign::Rejection::reason).unwrap_err(),
            Reason::SignatureMismatch
        );
    }
}

/// A server cuts headers out of one shared buffer; a value made alone becomes shared on its first clone.
fn as_received(headers: &HeaderMap) -> HeaderMap {
    let value = |value: &HeaderValue| {
        HeaderValue::from_maybe_shared(shared(value.as_bytes().to_vec())).expect("it was a value before")
    };
    headers.iter().map(|(name, text)| (name.clone(), value(text))).collect()
}

fn shared(bytes: Vec<u8>) -> Bytes {
    let bytes = Bytes::from(bytes);
    drop(bytes.clone());
    bytes
}
