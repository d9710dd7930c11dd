//! An authentic delivery that is changed anywhere is rejected.

use crate::common::{Delivery, Handler, NOW, WEBHOOK_HEADERS, delivery, delivery_at, noise, send, setup};
use http::{HeaderValue, StatusCode};
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::runtime::{Builder, Runtime};

/// Without timers and sockets: a delivery that is complete is verified at once.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// The signed parts of a delivery, and its signature.
#[derive(Clone, Copy, Debug)]
enum Part {
    Header(usize),
    Body,
}

/// Access to the signed parts of a delivery, and to its signature.
trait Parts: Sized {
    fn part(&self, part: Part) -> Vec<u8>;

    /// Replaces a part; `None` if it cannot hold these bytes.
    fn with_part(self, part: Part, bytes: Vec<u8>) -> Option<Self>;

    /// Whether it equals the signed delivery. Its signature may be in a list with others.
    fn equals_signed(&self, signed: &Self) -> bool;
}

impl Parts for Delivery {
    fn part(&self, part: Part) -> Vec<u8> {
        match part {
            Part::Header(n) => self.headers[&WEBHOOK_HEADERS[n]].as_bytes().to_vec(),
            Part::Body => self.body.to_vec(),
        }
    }

    fn with_part(mut self, part: Part, bytes: Vec<u8>) -> Option<Self> {
        match part {
            Part::Header(n) => {
                self.headers.insert(&WEBHOOK_HEADERS[n], HeaderValue::from_bytes(&bytes).ok()?);
            }
            Part::Body => self.body = bytes.into(),
        }
        Some(self)
    }

    fn equals_signed(&self, signed: &Self) -> bool {
        let (list, signature) = (self.part(Part::Header(2)), signed.part(Part::Header(2)));
        list.split(|byte| *byte == b' ').any(|entry| entry == signature)
            && [Part::Header(0), Part::Header(1), Part::Body].iter().all(|part| self.part(*part) == signed.part(*part))
    }
}

/// Whether it reached the handler. Otherwise, it was rejected and left nothing in the store.
async fn is_accepted(delivery: &Delivery) -> bool {
    let (setup, handler) = (setup(), Handler::default());
    let reply = send(&setup.layer, &handler, delivery).await;
    if handler.calls() == 1 {
        assert_eq!(reply.status, StatusCode::OK);
        return true;
    }
    assert!(matches!(reply.status.as_u16(), 400 | 401), "{reply:?}");
    assert!(!reply.code().is_empty() && setup.store.is_empty());
    false
}

#[test]
fn every_bit_counts() {
    runtime().block_on(async {
        let genuine = delivery("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", r#"{"type":"batch.succeeded"}"#);
        assert!(is_accepted(&genuine).await);
        let mut changed = 0;
        for part in [Part::Header(0), Part::Header(1), Part::Header(2), Part::Body] {
            let bytes = genuine.part(part);
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                // Some bytes cannot occur in a header.
                let Some(other) = genuine.clone().with_part(part, bytes) else { continue };
                assert!(!is_accepted(&other).await, "{part:?}, bit {bit}");
                changed += 1;
            }
        }
        assert!(changed > 800, "{changed}");
    });
}

#[test]
fn a_signature_covers_its_id_its_timestamp_and_its_body() {
    runtime().block_on(async {
        let one = delivery("msg_1", "one");
        let other = delivery_at(NOW + 1, "msg_2", "two");
        for bits in 1..15_u8 {
            let mut mixed = one.clone();
            for (n, part) in [Part::Header(0), Part::Header(1), Part::Header(2), Part::Body].into_iter().enumerate() {
                if bits & 1 << n != 0 {
                    mixed = mixed.with_part(part, other.part(part)).expect("it was recorded before");
                }
            }
            assert!(!is_accepted(&mixed).await, "{bits:04b}");
        }
        assert!(is_accepted(&one).await && is_accepted(&other).await);
    });
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![(0..3_usize).prop_map(Part::Header), Just(Part::Body)]
}

fn genuine() -> impl Strategy<Value = Delivery> {
    let body =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..300), (0..70_000_usize).prop_map(|len| noise(len).to_vec())];
    ("[!-\\-/-~]{1,60}", NOW - 300..=NOW + 300, body).prop_map(|(id, secs, body)| delivery_at(secs, &id, body))
}

/// Replaces some bytes of one part with others, and may change their number.
fn splice() -> impl Strategy<Value = (Part, Index, usize, Vec<u8>)> {
    let ascii = prop::collection::vec(b' '..=b'~', 0..4);
    (part(), any::<Index>(), 0..4_usize, prop_oneof![ascii, prop::collection::vec(any::<u8>(), 0..4)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_delivery_is_never_accepted(genuine in genuine(), changes in prop::collection::vec(splice(), 1..3)) {
        let mut changed = genuine.clone();
        for (part, at, removed, added) in changes {
            let mut bytes = changed.part(part);
            let at = at.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, added);
            let spliced = changed.clone().with_part(part, bytes);
            prop_assume!(spliced.is_some());
            changed = spliced.expect("it was just assumed");
        }
        let accepted = runtime().block_on(is_accepted(&changed));
        prop_assert_eq!(accepted, changed.equals_signed(&genuine));
    }

    #[test]
    fn an_unchanged_delivery_is_always_accepted(genuine in genuine()) {
        prop_assert!(runtime().block_on(is_accepted(&genuine)));
    }
}
