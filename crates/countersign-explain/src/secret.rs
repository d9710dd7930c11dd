//! Texts that are evidently not a secret.

use countersign::Secret;
use countersign::secret::SecretError;

use crate::case::Case;
use crate::finding::{Explanation, Finding};
use crate::search::{bare, decode, is_one_case};

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

const REFERENCE: Explanation = Explanation {
    code: "secret_not_resolved",
    title: "a placeholder or a reference is configured in place of the secret",
    advice: "Something has to replace it by the secret before the program starts: check the environment of the process, and the template \
             or the secret store that should fill it in.",
};
const API_KEY: Explanation = Explanation {
    code: "api_key_as_secret",
    title: "an API key or a token is configured as the secret",
    advice: "It authenticates requests to an API. Webhooks are signed with a secret of their own, `whsec_…`, that the sender showed when \
             the webhook was created.",
};
const ID: Explanation = Explanation {
    code: "id_as_secret",
    title: "an id or an address is configured as the secret",
    advice: "Ids of webhooks, endpoints, messages and signing keys are no secrets. The secret, `whsec_…`, is shown beside the webhook, or \
             only once when it is created.",
};
const CASE_LOST: Explanation = Explanation {
    code: "secret_case_lost",
    title: "the letters of the secret were changed to capitals or to small letters",
    advice: "Copy the secret again from where the sender shows it: base64 is case-sensitive, and the letters that were changed cannot be \
             found in general.",
};
const UNUSUAL_LENGTH: Explanation = Explanation {
    code: "secret_cut",
    title: "the secret has an unusual length: a part of it may be missing",
    advice: "Copy the secret again, whole. Nearly all senders use keys of 24, 32 or 64 bytes, which are 32, 44 or 88 characters of base64.",
};

/// How secrets begin that are none. The first that fits is meant.
const OTHERS: &[(&Explanation, &[&str])] = &[
    (
        &PUBLIC_KEY,
        &[
            "-----begin public key",
            "-----begin rsa public key",
            "-----begin certificate",
            "ssh-rsa ",
            "ssh-ed25519 ",
            "ecdsa-sha2-",
            "{\"kty\"",
            "{\"keys\"",
            "{ \"kty\"",
            "{ \"keys\"",
        ],
    ),
    (
        &PRIVATE_KEY,
        &[
            "-----begin private key",
            "-----begin rsa private key",
            "-----begin ec private key",
            "-----begin openssh private key",
        ],
    ),
    (
        &REFERENCE,
        &[
            "${",
            "$(",
            "{{",
            "<%",
            "%(",
            "process.env",
            "os.environ",
            "env(",
            "env.",
            "op://",
            "arn:aws:",
            "vault:",
            "sops:",
            "enc[",
            "ref+",
            "aws-secret",
            "@microsoft.keyvault",
            "projects/",
            "changeme",
            "change_me",
            "change-me",
            "your_",
            "your-",
            "<your",
            "my_secret",
            "todo",
            "xxxx",
            "undefined",
            "null",
            "none",
            "placeholder",
            "example",
            "whsec_your",
            "whsec_xxx",
            "whsec_...",
            "whsec_<",
            "whsec_${",
            "whsec_*",
            "***",
        ],
    ),
    (
        &API_KEY,
        &[
            "aiza",
            "sk-",
            "sk_",
            "pk_",
            "rk_",
            "re_",
            "r8_",
            "ghp_",
            "github_pat_",
            "xoxb-",
            "xoxp-",
            "akia",
            "eyj",
            "sbp_",
            "sb_secret_",
            "sb_publishable_",
            "polar_oat_",
            "bearer ",
            "basic ",
            "ya29.",
        ],
    ),
    (
        &ID,
        &[
            "http://",
            "https://",
            "ep_",
            "we_",
            "wh_",
            "whe_",
            "wbhk_",
            "webhook_",
            "webhooks/",
            "endpoint_",
            "msg_",
            "evt_",
            "event_",
            "app_",
            "key_",
            "kid_",
            "key-",
            "org_",
            "proj_",
            "batches/",
        ],
    ),
];
/// The lengths of keys that senders use, in bytes.
const USUAL: [usize; 8] = [16, 20, 24, 32, 40, 48, 64, 128];

/// Whether this is a finding of this file.
pub(crate) fn is_about_a_secret(finding: &Finding) -> bool {
    let all =
        [&PUBLIC_KEY, &PRIVATE_KEY, &SHORTENED, &UNREADABLE, &REFERENCE, &API_KEY, &ID, &CASE_LOST, &UNUSUAL_LENGTH];
    all.iter().any(|explanation| explanation.code == finding.code)
}

/// A text that is evidently not a secret, or not a whole one.
pub(crate) fn not_a_secret(case: &Case) -> Option<Finding> {
    let mistakes = case.secrets.iter().filter_map(|given| mistake(&given.label, &given.text));
    mistakes.min_by_key(|finding| finding.certainty)
}

fn mistake(label: &str, text: &str) -> Option<Finding> {
    let parsed = Secret::parse(text);
    if let Err(error @ (SecretError::PublicKey | SecretError::PrivateKey | SecretError::Truncated)) = &parsed {
        let explanation = match error {
            SecretError::PublicKey => &PUBLIC_KEY,
            SecretError::PrivateKey => &PRIVATE_KEY,
            _ => &SHORTENED,
        };
        return Some(explanation.certain(format!("`{label}`: {error}.")));
    }
    if let Some(explanation) = other(text) {
        // Its first characters are those of the kind, and no secret.
        return Some(explanation.likely(format!(
            "`{label}` is {} characters long, and begins as {}.",
            text.chars().count(),
            kind(explanation)
        )));
    }
    match parsed {
        Err(error) => Some(UNREADABLE.likely(format!("`{label}`: {error}."))),
        Ok(_) => changed(label, text),
    }
}

/// What else a text is that could be decoded.
fn other(text: &str) -> Option<&'static Explanation> {
    let text = text.trim().trim_matches(['"', '\'']);
    let lower = text.to_ascii_lowercase();
    let begins = OTHERS.iter().find(|(_, beginnings)| beginnings.iter().any(|beginning| lower.starts_with(beginning)));
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    // The ids of Gemini's webhooks.
    let is_id = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_variable = text.strip_prefix('$').is_some_and(|name| !name.is_empty())
        || text.len() > 5
            && text.contains('_')
            && !lower.starts_with("whsec_")
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    match begins {
        _ if is_variable => Some(&REFERENCE),
        _ if is_uuid || is_id => Some(&ID),
        Some((explanation, _)) => Some(*explanation),
        None => None,
    }
}

fn kind(explanation: &Explanation) -> &'static str {
    match explanation.code {
        "public_key_as_secret" => "a public key or a certificate does",
        "private_key_as_secret" => "a private key does",
        "api_key_as_secret" => "an API key or a token does",
        "id_as_secret" => "an id or an address does",
        _ => "a placeholder or a reference does",
    }
}

/// A usable secret that may not be the one that the sender shows.
fn changed(label: &str, text: &str) -> Option<Finding> {
    let bare = bare(text);
    let encoded = bare.get(6..).filter(|_| bare.to_ascii_lowercase().starts_with("whsec_")).unwrap_or(&bare);
    if is_one_case(encoded) && !encoded.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(
            CASE_LOST.likely(format!("All letters of `{label}` are of one case, which random base64 never is.")),
        );
    }
    let len = decode(&bare)?.len();
    (!USUAL.contains(&len)).then(|| UNUSUAL_LENGTH.likely(format!("`{label}` decodes to {len} bytes.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_is_told_apart() {
        for (text, expected) in [
            ("whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", Some("public_key_as_secret")),
            ("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA", Some("public_key_as_secret")),
            ("{\"kty\":\"OKP\"}", Some("public_key_as_secret")),
            ("${WEBHOOK_SECRET}", Some("secret_not_resolved")),
            ("$WEBHOOK_SECRET", Some("secret_not_resolved")),
            ("WEBHOOK_SIGNING_SECRET", Some("secret_not_resolved")),
            ("op://vault/webhook/secret", Some("secret_not_resolved")),
            ("AIzaSyA1234567890abcdefghijklmnopqrstuv", Some("api_key_as_secret")),
            ("sk-ant-REDACTED", Some("api_key_as_secret")),
            ("ep_2a1b3c4d5e6f7g8h9i0jklmnop", Some("id_as_secret")),
            ("95fy7kv40bvx7t0rm7p12jdciinp7f4bfhzz", Some("id_as_secret")),
            ("0b1a2c3d-1111-2222-3333-444455556666", Some("id_as_secret")),
            ("whsec_NNZ2ATU5MZDQOXY2BXFWZJGZB2R2CXM1Y3B6CTLYMNM=", Some("secret_case_lost")),
            ("whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTly", Some("secret_cut")),
            ("whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=", None),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", None),
        ] {
            let found = mistake("a", text).map(|finding| finding.code);
            assert_eq!(found, expected, "{text}");
        }
    }
}
