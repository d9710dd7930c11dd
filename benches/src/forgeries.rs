//! Deliveries that nobody signed, made to cost as much as they can before they are rejected.

#![expect(clippy::expect_used, reason = "the forgeries are the benches' own, and known to be well-formed")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use countersign::header::WEBHOOK_SIGNATURE;
use countersign::sign::{PrivateKey, Signer, TokenSigner};
use countersign::{KeySet, Reason, Secret, TokenPolicy, UnixTime, Verifier};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::deliveries::{Delivery, event};

const AUDIENCE: &str = "https://hooks.example.com";

/// A forged delivery, and the verifier that rejects it.
#[derive(Debug)]
pub struct Forgery {
    /// What it is made of.
    pub name: &'static str,
    verifier: Verifier,
    headers: HeaderMap,
    now: UnixTime,
    body: Bytes,
}

impl Forgery {
    /// The worst of each kind, beside the body of a delivery.
    pub fn all(delivery: &Delivery) -> Vec<Self> {
        let forged = |name, verifier, signature: String| {
            let mut headers = delivery.headers.clone();
            headers.insert(WEBHOOK_SIGNATURE, HeaderValue::from_str(&signature).expect("ASCII"));
            Self { name, verifier, headers, now: delivery.signed_at, body: delivery.body.clone() }
        };
        let (one_name, other_body) = (tokens(64, true), tokens(1, false));
        vec![
            forged("`v1`, 32 entries, 1 secret", verifier(1, 0), list(32, 0)),
            forged("`v1`, 32 entries, 4 secrets", verifier(4, 0), list(32, 0)),
            forged("`v1`, 32 entries, 8 secrets", verifier(8, 0), list(32, 0)),
            forged("`v1a`, 1 entry, 1 key", verifier(0, 1), list(0, 1)),
            forged("`v1a`, 1 entry, 3 keys", verifier(0, 3), list(0, 1)),
            forged("`v1a`, 1 entry, 16 keys", verifier(0, 16), list(0, 1)),
            forged("`v1a`, 32 entries, 2 keys", verifier(0, 2), list(0, 32)),
            forged("`v1a`, 32 entries, 16 keys", verifier(0, 16), list(0, 32)),
            forged("both, 32 entries, 8 secrets, 16 keys", verifier(8, 16), list(8, 24)),
            forged("token, forged, 64 keys of its name", one_name.0, one_name.1),
            forged("token, genuine, another body", other_body.0, other_body.1),
        ]
    }

    /// Rejects it. Whether its body had to be looked at.
    pub fn reject(&self) -> bool {
        let Ok(attempt) = self.verifier.begin(&self.headers, self.now) else { return false };
        let rejection = attempt.finish(self.body.clone()).expect_err("nobody signed it");
        rejection.reason() != Reason::BodyTooLarge
    }
}

fn seed(number: usize) -> [u8; 32] {
    [u8::try_from(number).expect("small"); 32]
}

fn verifier(secrets: usize, keys: usize) -> Verifier {
    let secrets = (0..secrets).map(|number| Secret::parse(&STANDARD.encode(seed(100 + number))).expect("a secret"));
    let keys = (0..keys).map(|number| PrivateKey::from_seed(&seed(100 + number)).jwk("key")).collect::<Vec<_>>();
    Verifier::builder("bench").secrets(secrets).key_set(set(&keys)).build().expect("a verifier")
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set")
}

/// So many entries that are what they should be, but for the key.
fn list(v1: usize, v1a: usize) -> String {
    let id = countersign::MessageId::parse("msg_other").expect("an id");
    let now = SystemClock.now();
    let entry = |signer: Signer| signer.sign(&id, now, b"other")[WEBHOOK_SIGNATURE].to_str().expect("ASCII").to_owned();
    let secret = |number| Secret::parse(&STANDARD.encode(seed(number))).expect("a secret");
    let secrets = (0..v1).map(|number| entry(Signer::new([secret(number)]).expect("a signer")));
    let private_key = |number| PrivateKey::from_seed(&seed(number));
    let keys = (0..v1a).map(|number| entry(Signer::with_keys([], [private_key(number)]).expect("a signer")));
    secrets.chain(keys).collect::<Vec<_>>().join(" ")
}

/// A token, and the verifier that has so many keys of its name.
fn tokens(keys: usize, is_forged: bool) -> (Verifier, String) {
    let signer = TokenSigner::generate("key").expect("a signer");
    let mut jwks = vec![signer.jwk(); keys];
    for (number, key) in jwks[..keys - 1].iter_mut().enumerate() {
        let exponent = u32::try_from(65_539 + 2 * number).expect("small").to_be_bytes();
        key["e"] = URL_SAFE_NO_PAD.encode(&exponent[1..]).into();
    }
    let mut claims: Value = serde_json::from_slice(&event(7, 300)).expect("JSON");
    claims["aud"] = AUDIENCE.into();
    claims["iat"] = SystemClock.now().as_secs().into();
    claims["body_sha256"] = "0".repeat(64).into();
    let signer = if is_forged { TokenSigner::generate("key").expect("a signer") } else { signer };
    let token = signer.sign(claims.as_object().expect("an object")).expect("a token");
    let verifier = Verifier::builder("bench").key_set(set(&jwks)).token(TokenPolicy::new([AUDIENCE]));
    (verifier.build().expect("a verifier"), token.to_str().expect("ASCII").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forgery_is_rejected_and_small_ones_for_their_signature() {
        let forgeries = Forgery::all(&Delivery::signed_now(300));
        let looked_at = forgeries.iter().filter(|forgery| forgery.reject()).count();
        // All but the forged token, which needs no body.
        assert_eq!(looked_at, forgeries.len() - 1);
    }
}
