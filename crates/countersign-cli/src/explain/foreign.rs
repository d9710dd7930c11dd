//! Other senders' conventions: an HMAC over parts other than id, timestamp and body.
//!
//! [`Secret`](countersign::Secret) deliberately supports none of them. This is the one file that computes an HMAC
//! itself, to recognise such signatures and never to accept them.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::case::Case;
use super::finding::{Explanation, Finding};
use super::key::Key;
use super::trial::{Budget, Change, listed};
use super::{secret, signature};

const BODY_ALONE: Explanation = Explanation {
    code: "signed_body_alone",
    title: "only the body is signed, without id and timestamp",
    advice: "This is another convention (GitHub's, for example), and anyone can replay such a delivery. The sender must sign \
             `id.timestamp.body`.",
};
const OTHER_PARTS: Explanation = Explanation {
    code: "signed_other_parts",
    title: "something other than `id.timestamp.body` is signed",
    advice: "The sender must sign the id, a dot, the timestamp, a dot and the body, each exactly as sent.",
};
const NOT_ACCEPTED: Explanation = Explanation {
    code: "signed_malformed",
    title: "the signature is authentic, but the id or the timestamp has a form that is rejected",
    advice: "The sender must use an id of visible ASCII without dots, and a timestamp of plain digits: with a dot in an \
             id, two different deliveries could have the same signed bytes.",
};

/// What is signed: the explanation, the description, the part before the body, and whether the body is included.
type Convention = (&'static Explanation, &'static str, fn(&str, &str) -> String, bool);

const CONVENTIONS: &[Convention] = &[
    (&BODY_ALONE, "the body alone", |_, _| String::new(), true),
    (&NOT_ACCEPTED, "`id.timestamp.body` as it is", |id, timestamp| format!("{id}.{timestamp}."), true),
    (&OTHER_PARTS, "`timestamp.body`, as Stripe does", |_, timestamp| format!("{timestamp}."), true),
    (&OTHER_PARTS, "`timestamp` and `body` without a dot", |_, timestamp| timestamp.into(), true),
    (&OTHER_PARTS, "`v0:timestamp:body`, as Slack does", |_, timestamp| format!("v0:{timestamp}:"), true),
    (&OTHER_PARTS, "`id.body`", |id, _| format!("{id}."), true),
    (&OTHER_PARTS, "`timestamp.id.body`", |id, timestamp| format!("{timestamp}.{id}."), true),
    (&OTHER_PARTS, "`id`, `timestamp` and `body` without dots", |id, timestamp| format!("{id}{timestamp}"), true),
    (&OTHER_PARTS, "`id.timestamp`, without the body", |id, timestamp| format!("{id}.{timestamp}"), false),
    (&OTHER_PARTS, "`id.timestamp.`, with an empty body", |id, timestamp| format!("{id}.{timestamp}."), false),
];

/// A convention under which one of the signatures matches.
pub(super) fn other_parts(case: &Case) -> Option<Finding> {
    let (id, timestamp) = (case.header(&WEBHOOK_ID), case.header(&WEBHOOK_TIMESTAMP));
    let signatures = signatures(case);
    let keys = keys(case);
    let budget = Budget::default();
    CONVENTIONS.iter().find_map(|(explanation, what, head, with_body)| {
        let head = head(&id, &timestamp);
        let body: &[u8] = if *with_body { &case.capture.body } else { b"" };
        let matches =
            |key: &&Rc<Key>| budget.spend(body.len()) && signatures.contains(&mac(key, &[head.as_bytes(), body]));
        let key = keys.iter().find(matches)?;
        // A valid delivery: the cause is elsewhere.
        let is_standard = explanation.code == NOT_ACCEPTED.code && countersign::MessageId::parse(&id).is_ok();
        let is_standard = is_standard && timestamp.parse::<u64>().is_ok_and(|secs| secs.to_string() == timestamp);
        (!is_standard)
            .then(|| explanation.certain(format!("The signature matches, with `{}`, over {what}.", key.label)))
    })
}

/// All listed signatures, in every spelling, including those in other senders' headers.
fn signatures(case: &Case) -> Vec<String> {
    let mut signatures = listed(&case.header(&WEBHOOK_SIGNATURE));
    let names = case
        .capture
        .headers
        .keys()
        .filter(|name| ["signature", "hmac"].iter().any(|part| name.as_str().contains(part)));
    for name in names {
        signatures.extend(signature::readings(&case.header(name)).into_iter().map(|(_, reading)| reading));
    }
    signatures
}

/// The keys, including the undecoded text of each secret, which such senders use.
fn keys(case: &Case) -> Vec<Rc<Key>> {
    let repaired = [secret::undecoded, secret::decorated].into_iter().flat_map(|hypothesis| hypothesis(case));
    let repaired = repaired.filter_map(|repair| match repair.change {
        Change::Key(key) => Some(key),
        _ => None,
    });
    case.keys().into_iter().chain(repaired).collect()
}

fn mac(key: &Key, parts: &[&[u8]]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC is defined for keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.bytes).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}
