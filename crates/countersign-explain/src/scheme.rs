//! Deliveries of a scheme that the given keys cannot verify.

use countersign::header::WEBHOOK_SIGNATURE;

use crate::case::Case;
use crate::finding::{Explanation, Finding};
use crate::shown::shown;

const V1A: Explanation = Explanation {
    code: "v1a_delivery",
    title: "the delivery is signed with a public-key scheme (`v1a`, Ed25519), and no key for it was given",
    advice: "A dynamic Gemini webhook (`webhook_config` in a request) is signed like this: give the sender's key set (`--jwks`) or \
             its key (`--public-key whpk_…`) instead of a secret. Only webhooks registered through the WebhookService \
             API are signed with a secret.",
};

/// Only `v1a` entries, and no Ed25519 key.
pub(crate) fn v1a(case: &Case) -> Option<Finding> {
    let only = lists(case, "v1a") && !lists(case, "v1") && !case.trust.has_ed25519();
    let given = if case.trust.is_given() { " The key set has no usable Ed25519 key." } else { "" };
    only.then(|| V1A.certain(format!("Every signature in the header starts with `v1a,`; none with `v1,`.{given}")))
}

/// Whether a signature of this version is listed.
pub(crate) fn lists(case: &Case, version: &str) -> bool {
    versions(case).iter().any(|listed| listed == version)
}

const V1: Explanation = Explanation {
    code: "v1_delivery",
    title: "the delivery is signed with a shared secret (`v1`), and only public keys were given",
    advice: "A webhook registered through the WebhookService API is signed like this: give the secret that was shown when it \
             was created (`--secret-file`). Public keys verify dynamic webhooks, `v1a` and tokens.",
};

/// Only `v1` entries, and no secret.
pub(crate) fn v1(case: &Case) -> Option<Finding> {
    let only = case.secrets.is_empty() && lists(case, "v1") && !lists(case, "v1a");
    only.then(|| V1.certain("Every signature in the header starts with `v1,`; none with `v1a,`."))
}

const UNKNOWN_VERSION: Explanation = Explanation {
    code: "unknown_scheme",
    title: "the delivery is signed with an unknown scheme",
    advice: "Ask the sender for a `v1` signature, or check whether a newer version of this program supports the scheme.",
};

/// Versions, but neither `v1` nor `v1a`.
pub(crate) fn unknown_version(case: &Case) -> Option<Finding> {
    let versions = versions(case);
    let only = !versions.is_empty() && !versions.iter().any(|version| version == "v1" || version == "v1a");
    only.then(|| UNKNOWN_VERSION.likely(format!("The header lists: {}.", shown(&versions.join(", ")))))
}

const OTHER_SENDER: Explanation = Explanation {
    code: "other_sender",
    title: "the delivery is from a sender that does not use Standard Webhooks",
    advice: "Verify it as that sender documents, or point the right sender at this endpoint.",
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
pub(crate) fn other_sender(case: &Case) -> Option<Finding> {
    let headers = &case.capture.headers;
    let (name, sender) = OTHER_SENDERS.iter().find(|(name, _)| headers.contains_key(*name))?;
    let is_other = !headers.contains_key(WEBHOOK_SIGNATURE);
    is_other.then(|| {
        OTHER_SENDER.likely(format!("The request has `{name}`, which {sender} sends, and no `webhook-signature`."))
    })
}

/// The versions before the commas: short names, not parts of a list that was joined by commas.
fn versions(case: &Case) -> Vec<String> {
    let header = case.header(&WEBHOOK_SIGNATURE);
    let words = header.split(' ').filter_map(|word| word.split_once(','));
    let is_version = |version: &str| (1..8).contains(&version.len()) && version.starts_with('v');
    words.map(|(version, _)| version.to_owned()).filter(|version| is_version(version)).collect()
}
