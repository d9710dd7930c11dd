//! Proof: a signature of the request that matches a key, a head and a body.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{MessageId, UnixTime, Verifier};
use http::{HeaderMap, HeaderValue};

use super::bodies::Candidate;
use super::budget::Budget;
use super::conventions::Convention;
use super::heads::Head;
use super::mac::Hash;
use super::secrets::Key;
use super::signatures::{Form, Reading, SHORTEST_PREFIX};
use super::step::Step;
use crate::finding::Explanation;

/// How many Ed25519 signatures are tried at most.
const MAX_ED25519: usize = 4;
/// The cost of one verification, as a number of hashed bytes.
const ED25519_COST: usize = 32 << 10;
/// The cost of a signature of an empty text, as a number of hashed bytes.
const MAC_COST: usize = 256;

const NOT_ACCEPTED: Explanation = Explanation {
    code: "signed_malformed",
    title: "the signature is authentic, but the id or the timestamp has a form that is rejected",
    advice: "The sender must use an id of visible ASCII without dots, and a timestamp of plain digits: with a dot in an \
             id, two different deliveries could have the same signed bytes.",
};
const OTHER_HASH: Explanation = Explanation {
    code: "signed_with_other_hash",
    title: "the signature is an HMAC with another hash",
    advice: "`v1` is HMAC-SHA256: the sender must use SHA-256 (`sha256` in `createHmac`, `hmac.new` and `hash_hmac`).",
};

/// The signatures of a request, and the public keys that may have made them.
pub(super) struct Prover<'b> {
    readings: Vec<Reading>,
    hashes: Vec<Hash>,
    /// The verifier for `v1a`, and its number of keys.
    public: Option<(Verifier, usize)>,
    pub(super) budget: &'b Budget,
}

/// A matching signature.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) key: String,
    /// What had to be undone. Empty if the signature matches as it is.
    pub(super) steps: Vec<Step>,
}

impl<'b> Prover<'b> {
    pub(super) fn new(readings: Vec<Reading>, public: Option<(Verifier, usize)>, budget: &'b Budget) -> Self {
        let lengths: HashSet<_> = readings.iter().map(|reading| reading.form.hash_len()).collect();
        let hashes = Hash::ALL.into_iter().filter(|hash| lengths.contains(&hash.len())).collect();
        Self { readings, hashes, public, budget }
    }

    /// Tries each key on this head and body, under this convention.
    pub(super) fn prove(&self, keys: &[Key], head: &Head, convention: &Convention, body: &Candidate) -> Option<Proof> {
        let secret = keys.iter().find_map(|key| self.with_secret(key, head, convention, body));
        secret.or_else(|| {
            // Every key is tried at once, so that a changed secret is not this one's matter.
            let is_first = keys.first().is_none_or(|key| key.steps.is_empty());
            (is_first && convention.is_standard()).then(|| self.with_public_keys(head, body))?
        })
    }

    fn with_secret(&self, key: &Key, head: &Head, convention: &Convention, body: &Candidate) -> Option<Proof> {
        // Without an id and a timestamp, this would be the body alone.
        if convention.has_head() && head.id.is_empty() && head.timestamp.is_empty() {
            return None;
        }
        self.hashes.iter().find_map(|hash| {
            if !self.budget.spend_trial(body.body.len() + MAC_COST) {
                return None;
            }
            let text = convention.text(&head.id, &head.timestamp, &body.body);
            let code = hash.code(convention.keyed, &key.bytes, &text);
            let reading = self.readings.iter().find(|reading| matches(&reading.form, &code))?;
            let other_hash =
                (*hash != Hash::Sha256).then(|| OTHER_HASH.step(format!("it is computed with HMAC-{}", hash.name())));
            let is_odd = convention.is_standard() && head.steps.is_empty() && !is_well_formed(head);
            let odd_head = is_odd.then(|| NOT_ACCEPTED.step("id and timestamp are used as they are"));
            let head_steps = if convention.has_head() { &head.steps[..] } else { &[] };
            let steps = convention.step.iter().chain(&body.steps).chain(&key.steps).chain(head_steps).cloned();
            let steps = steps.chain(other_hash).chain(odd_head).chain(reading.steps.iter().cloned()).collect();
            Some(Proof { key: key.label.clone(), steps })
        })
    }

    fn with_public_keys(&self, head: &Head, body: &Candidate) -> Option<Proof> {
        let (verifier, keys) = self.public.as_ref()?;
        let is_ed25519 = |reading: &&Reading| matches!(&reading.form, Form::Whole(bytes) if bytes.len() == 64);
        self.readings.iter().filter(is_ed25519).take(MAX_ED25519).find_map(|reading| {
            let Form::Whole(bytes) = &reading.form else { return None };
            if !self.budget.spend_trial(body.body.len() + ED25519_COST * keys) {
                return None;
            }
            let key = verify(verifier, head, bytes, body.body.clone())?;
            let steps = body.steps.iter().chain(&head.steps).cloned().chain(reading.steps_as_v1a()).collect();
            Some(Proof { key, steps })
        })
    }
}

/// The label of the public key whose signature this is.
fn verify(verifier: &Verifier, head: &Head, signature: &[u8], body: Bytes) -> Option<String> {
    let secs = head.timestamp.parse().ok()?;
    let headers = HeaderMap::from_iter([
        (WEBHOOK_ID, HeaderValue::from_str(&head.id).ok()?),
        (WEBHOOK_TIMESTAMP, HeaderValue::from_str(&head.timestamp).ok()?),
        (WEBHOOK_SIGNATURE, HeaderValue::from_str(&format!("v1a,{}", STANDARD.encode(signature))).ok()?),
    ]);
    let attempt = verifier.begin(&headers, UnixTime::from_secs(secs)).ok()?;
    attempt.finish(body).ok().map(|verified| verified.key_label().to_owned())
}

fn matches(form: &Form, code: &[u8]) -> bool {
    match form {
        Form::Whole(bytes) => bytes == code,
        Form::Prefix(bytes) => {
            code.len() == Hash::Sha256.len() && bytes.len() >= SHORTEST_PREFIX && code.starts_with(bytes)
        }
        Form::OneCase(text) => {
            code.len() == Hash::Sha256.len()
                && STANDARD.encode(code).trim_end_matches('=').eq_ignore_ascii_case(text.trim_end_matches('='))
        }
    }
}

/// Whether the verifier accepts the id and the timestamp in this form.
fn is_well_formed(head: &Head) -> bool {
    MessageId::parse(&head.id).is_ok()
        && head.timestamp.parse::<u64>().is_ok_and(|secs| secs.to_string() == head.timestamp)
}
