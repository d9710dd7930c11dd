//! Texts that are evidently not a secret.

use countersign::Secret;
use countersign::secret::SecretError;

use crate::case::Case;
use crate::finding::{Explanation, Finding};

const PUBLIC_KEY: Explanation = Explanation {
    code: "public_key_as_secret",
    title: "a public key is configured as the secret",
    advice: "`whpk_…` is public and verifies only `v1a` signatures. A `v1` signature needs the secret, `whsec_…`, that \
             the sender showed when the webhook was created.",
};
const PRIVATE_KEY: Explanation = Explanation {
    code: "private_key_as_secret",
    title: "a sender's private key is configured as the secret",
    advice: "Only the sender may have `whsk_…`: ask it to rotate the key, and configure the secret, `whsec_…`.",
};
const SHORTENED: Explanation = Explanation {
    code: "secret_shortened",
    title: "the secret is the truncated form that is shown for recognition",
    advice: "The whole secret is shown only once, on creation or rotation. If it was not stored, rotate it.",
};
const UNREADABLE: Explanation = Explanation {
    code: "secret_unreadable",
    title: "the secret cannot be decoded",
    advice: "Configure it as the sender showed it: `whsec_`, then base64.",
};

/// Whether this is the finding of a secret that cannot be decoded.
pub(crate) fn is_unreadable(finding: &Finding) -> bool {
    finding.code == UNREADABLE.code
}

/// A text that is evidently not a secret.
pub(crate) fn not_a_secret(case: &Case) -> Option<Finding> {
    let mistakes = case.secrets.iter().filter_map(|given| Some((&given.label, Secret::parse(&given.text).err()?)));
    let mut findings: Vec<_> = mistakes
        .map(|(label, mistake)| {
            let evidence = format!("`{label}`: {mistake}.");
            match mistake {
                SecretError::PublicKey => PUBLIC_KEY.certain(evidence),
                SecretError::PrivateKey => PRIVATE_KEY.certain(evidence),
                SecretError::Truncated => SHORTENED.certain(evidence),
                _ => UNREADABLE.likely(evidence),
            }
        })
        .collect();
    findings.sort_by_key(|finding| finding.certainty);
    findings.into_iter().next()
}
