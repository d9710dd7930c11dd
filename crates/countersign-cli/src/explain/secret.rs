//! Mistakes with secrets.

use countersign::Secret;
use countersign::secret::SecretError;
use zeroize::Zeroizing;

use super::case::Case;
use super::finding::{Explanation, Finding, Repairs};
use super::key::{Key, PREFIX, decode};
use super::trial::Change;

const VERSION_PREFIX: Explanation = Explanation {
    code: "secret_has_version_prefix",
    title: "the secret has a `v1,` in front of it",
    advice: "Remove `v1,` from the configured secret, so that it starts with `whsec_`. Versions belong to signatures.",
};
const QUOTES: Explanation = Explanation {
    code: "secret_has_quotes",
    title: "the secret has quotation marks around it",
    advice: "Remove them where the secret is configured: an env file or a container's variables often keep them.",
};
const WHITE_SPACE: Explanation = Explanation {
    code: "secret_has_white_space",
    title: "the secret has white space or a newline in it",
    advice: "Remove it; `echo -n` or `printf %s` writes a secret without a newline.",
};
const OTHER_TEXT: Explanation = Explanation {
    code: "secret_has_other_text",
    title: "the secret has other text around it",
    advice: "Configure only the part that starts with `whsec_`: no name, no `=`, no escape.",
};

/// A secret that was pasted with other characters.
pub(super) fn decorated(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().filter_map(|given| {
        let (explanation, what) = decoration(&given.text)?;
        let key = Key::decoded(&given.label, &bare(&given.text))?;
        Some(explanation.repair(format!("{what} removed from the secret `{}`", given.label), Change::Key(key)))
    }))
}

fn decoration(text: &str) -> Option<(&'static Explanation, &'static str)> {
    let inner = text.trim().trim_matches(['"', '\'', '`']);
    if *bare(text) == text {
        None
    } else if inner.starts_with("v1,") {
        Some((&VERSION_PREFIX, "`v1,` is"))
    } else if text.contains(['"', '\'', '`']) {
        Some((&QUOTES, "the quotation marks are"))
    } else if text.contains(char::is_whitespace) {
        Some((&WHITE_SPACE, "white space is"))
    } else {
        Some((&OTHER_TEXT, "the text around `whsec_…` is"))
    }
}

/// The secret without quotes, white space, versions and names.
fn bare(text: &str) -> Zeroizing<String> {
    let solid: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
    let solid = solid.trim_matches(['"', '\'', '`']);
    let begin = solid.find(PREFIX).map_or_else(|| solid.strip_prefix("v1,").unwrap_or(solid), |at| &solid[at..]);
    let is_secret = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    Zeroizing::new(begin.chars().take_while(|c| is_secret(*c)).collect())
}

const UNDECODED: Explanation = Explanation {
    code: "secret_undecoded",
    title: "the sender used the text of the secret as the key, without decoding it",
    advice: "The part after `whsec_` is base64: the sender must remove the prefix, decode the rest, and sign with \
             those bytes. If the sender cannot be changed, configure `whsec_` and the base64 of the text that it uses.",
};

/// The undecoded text, with or without the prefix.
pub(super) fn undecoded(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().flat_map(|given| {
        let text = given.text.trim();
        let whole = Some((text, "the text of"));
        let rest = text.strip_prefix(PREFIX).map(|rest| (rest, "the part after `whsec_` of"));
        whole.into_iter().chain(rest).filter_map(|(text, what)| {
            let key = Key::new(&given.label, Zeroizing::new(text.as_bytes().to_vec()))?;
            let once = format!("{what} `{}` is used as the key, undecoded", given.label);
            Some(UNDECODED.repair(once, Change::Key(key)))
        })
    }))
}

const ENCODED_TWICE: Explanation = Explanation {
    code: "secret_encoded_twice",
    title: "the secret was encoded in base64 once too often",
    advice: "Configure the secret as the sender showed it; a tool that stores secrets in base64 (Kubernetes, Terraform) \
             expects encoded text and provides it decoded. Check which of the two it was given.",
};

/// A whole secret that was encoded again, with or without another `whsec_`.
pub(super) fn encoded_twice(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().filter_map(|given| {
        let inner = Zeroizing::new(String::from_utf8(decode(&bare(&given.text))?.to_vec()).ok()?);
        let key = Key::decoded(&given.label, inner.trim())?;
        Some(ENCODED_TWICE.repair(format!("the secret `{}` is decoded once more", given.label), Change::Key(key)))
    }))
}

const HEXADECIMAL: Explanation = Explanation {
    code: "secret_in_hex",
    title: "the secret is in hexadecimal",
    advice: "Configure the same bytes in base64, after `whsec_`.",
};

/// A secret in hexadecimal, which can also be decoded as base64.
pub(super) fn hexadecimal(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().filter_map(|given| {
        let text = bare(&given.text);
        let bytes = hex::decode(text.strip_prefix(PREFIX).unwrap_or(&text)).ok()?;
        let key = Key::new(&given.label, Zeroizing::new(bytes))?;
        Some(HEXADECIMAL.repair(format!("the secret `{}` is read as hexadecimal", given.label), Change::Key(key)))
    }))
}

const EXPIRED: Explanation = Explanation {
    code: "secret_expired",
    title: "the delivery is signed with a secret that has expired",
    advice: "The sender still signs with the old secret: finish the rotation on its side, or extend the expiry.",
};

/// Authentic except for the expiry.
pub(super) fn expired(case: &Case) -> Repairs<'_> {
    let expired = case.secrets.iter().filter(|given| given.expires_at.is_some_and(|at| at <= case.now));
    Box::new(expired.filter_map(|given| {
        let ago = given.expires_at.map(|at| crate::time::described(at.as_secs(), case.now)).unwrap_or_default();
        let once = format!("the expiry of `{}`, {ago}, is ignored", given.label);
        Some(EXPIRED.repair(once, Change::Key(Key::of_secret(given)?)))
    }))
}

const OTHER: Explanation = Explanation {
    code: "other_secret",
    title: "the delivery is signed with a secret that is not configured",
    advice: "Configure that secret if its sender should be trusted; otherwise the sender must use its own. Each \
             environment, project and endpoint has its own secret.",
};

/// One of the secrets that were given to try.
pub(super) fn other(case: &Case) -> Repairs<'_> {
    Box::new(case.other_secrets.iter().filter_map(|given| {
        let key = Key::decoded(&given.label, &bare(&given.text))?;
        Some(OTHER.repair(format!("`{}` is the secret", given.label), Change::Key(key)))
    }))
}

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

/// Whether a proved repair says more about the secret than this finding.
pub(super) fn is_superseded(finding: &Finding) -> bool {
    finding.code == UNREADABLE.code
}

/// A text that is evidently not a secret.
pub(super) fn not_a_secret(case: &Case) -> Option<Finding> {
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
