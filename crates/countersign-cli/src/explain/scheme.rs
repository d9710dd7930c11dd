//! Deliveries of a kind that a shared secret cannot verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::header::WEBHOOK_SIGNATURE;
use serde_json::Value;

use super::case::Case;
use super::finding::{Finding, Looks};
use crate::output::shown;

const V1A: Looks = Looks {
    code: "v1a_delivery",
    title: "it is signed with a public-key scheme (`v1a`, Ed25519), and a secret was configured",
    advice: "A dynamic Gemini webhook (`webhook_config` in a request) is signed so: configure the sender's public keys, \
             its JWKS or `whpk_…`, instead of a secret. Only webhooks registered through the WebhookService API are \
             signed with a secret.",
};

/// Only `v1a` entries.
pub(super) fn v1a(case: &Case) -> Option<Finding> {
    let versions = versions(case);
    let only = versions.iter().any(|version| version == "v1a") && !versions.iter().any(|version| version == "v1");
    only.then(|| V1A.certain("Every signature that the header lists begins with `v1a,`; none with `v1,`."))
}

const TOKEN: Looks = Looks {
    code: "token_delivery",
    title: "it is signed with a token (JWT), and a secret was configured",
    advice: "A dynamic Gemini webhook (`webhook_config` in a request) is documented to be signed so: configure the \
             sender's JWKS and the audience, instead of a secret.",
};

/// Three parts of base64url, the first of which is a JSON object.
pub(super) fn token(case: &Case) -> Option<Finding> {
    let header = case.header(&WEBHOOK_SIGNATURE);
    let mut parts = header.trim().trim_start_matches("Bearer ").split('.');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded = URL_SAFE_NO_PAD.decode(first).ok()?;
    let head: Value = serde_json::from_slice(&decoded).ok().filter(Value::is_object)?;
    let field = |name| head.get(name).and_then(Value::as_str).map_or_else(|| "none".into(), shown);
    let is_token = parts.next().is_none() && !second.is_empty() && !third.is_empty();
    is_token.then(|| TOKEN.certain(format!("The header is a token: alg {}, kid {}.", field("alg"), field("kid"))))
}

const UNKNOWN_VERSION: Looks = Looks {
    code: "unknown_scheme",
    title: "it is signed in a scheme that is not known",
    advice: "Ask the sender for a `v1` signature, or see whether a newer version of this program knows the scheme.",
};

/// Versions, but neither `v1` nor `v1a`.
pub(super) fn unknown_version(case: &Case) -> Option<Finding> {
    let versions = versions(case);
    let only = !versions.is_empty() && !versions.iter().any(|version| version == "v1" || version == "v1a");
    only.then(|| UNKNOWN_VERSION.likely(format!("The header lists: {}.", shown(&versions.join(", ")))))
}

const OTHER_SENDER: Looks = Looks {
    code: "other_sender",
    title: "it is a delivery of a sender that does not use Standard Webhooks",
    advice: "Verify it in that sender's own way, or point the right sender at this endpoint.",
};

const OTHER_SENDERS: &[(&str, &str)] = &[
    ("x-hub-signature-256", "GitHub or Meta"),
    ("x-hub-signature", "GitHub or Meta"),
    ("stripe-signature", "Stripe"),
    ("x-slack-signature", "Slack"),
    ("x-shopify-hmac-sha256", "Shopify"),
    ("x-twilio-signature", "Twilio"),
    ("x-gitlab-token", "GitLab"),
    ("x-goog-channel-id", "Google's push notifications"),
    ("x-amz-sns-message-type", "Amazon SNS"),
    ("paypal-transmission-sig", "PayPal"),
];

/// Another sender's headers, and no signature of this scheme.
pub(super) fn other_sender(case: &Case) -> Option<Finding> {
    let headers = &case.capture.headers;
    let (name, sender) = OTHER_SENDERS.iter().find(|(name, _)| headers.contains_key(*name))?;
    let is_other = !headers.contains_key(WEBHOOK_SIGNATURE);
    is_other
        .then(|| OTHER_SENDER.likely(format!("There is `{name}`, which {sender} sends, and no `webhook-signature`.")))
}

/// What stands before the commas: short names, not a list that was joined by commas.
fn versions(case: &Case) -> Vec<String> {
    let header = case.header(&WEBHOOK_SIGNATURE);
    let words = header.split(' ').filter_map(|word| word.split_once(','));
    let is_version = |version: &str| (1..8).contains(&version.len()) && version.starts_with('v');
    words.map(|(version, _)| version.to_owned()).filter(|version| is_version(version)).collect()
}
