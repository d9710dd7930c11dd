//! What goes wrong with secrets.

use std::rc::Rc;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use countersign::Secret;
use countersign::secret::SecretError;
use zeroize::Zeroizing;

use super::Repairs;
use super::case::{Case, Key};
use super::finding::{Finding, Looks};
use super::trial::Change;
use crate::secrets::SecretText;

const PREFIX: &str = "whsec_";

const VERSION_PREFIX: Looks = Looks {
    code: "secret_has_version_prefix",
    title: "the secret has a `v1,` in front of it",
    advice: "Remove `v1,` from the configured secret: it begins with `whsec_`. Versions belong to signatures.",
};
const QUOTES: Looks = Looks {
    code: "secret_has_quotes",
    title: "the secret has quotation marks around it",
    advice: "Remove them where the secret is configured: an env file or a container's variables often keep them.",
};
const WHITE_SPACE: Looks = Looks {
    code: "secret_has_white_space",
    title: "the secret has white space or a newline in it",
    advice: "Configure it without; `echo -n` or `printf %s` write a secret without a newline.",
};
const OTHER_TEXT: Looks = Looks {
    code: "secret_has_other_text",
    title: "the secret has other text around it",
    advice: "Configure what begins with `whsec_`, and nothing else: no name, no `=`, no escape.",
};

/// Pasted with something around it.
pub(super) fn decorated(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().filter_map(|given| {
        let (looks, what) = decoration(&given.text)?;
        let key = key_of(&given.label, &bare(&given.text))?;
        Some(looks.repair(format!("{what} removed from the secret `{}`", given.label), Change::Key(key)))
    }))
}

fn decoration(text: &str) -> Option<(&'static Looks, &'static str)> {
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
        Some((&OTHER_TEXT, "what is around `whsec_…` is"))
    }
}

/// What is left of a secret without quotes, white space, versions and names.
fn bare(text: &str) -> Zeroizing<String> {
    let solid: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
    let solid = solid.trim_matches(['"', '\'', '`']);
    let begin = solid.find(PREFIX).map_or_else(|| solid.strip_prefix("v1,").unwrap_or(solid), |at| &solid[at..]);
    let is_secret = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    Zeroizing::new(begin.chars().take_while(|c| is_secret(*c)).collect())
}

const UNDECODED: Looks = Looks {
    code: "secret_undecoded",
    title: "the sender used the text of the secret as the key, without decoding it",
    advice: "What follows `whsec_` is base64: the sender must remove the prefix and decode the rest, and sign with \
             those bytes. If the sender cannot be changed, configure `whsec_` and the base64 of the text that it uses.",
};

/// Used as it stands, prefix and all, or without the prefix.
pub(super) fn undecoded(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().flat_map(|given| {
        let text = given.text.trim();
        let whole = Some((text, "the text of"));
        let rest = text.strip_prefix(PREFIX).map(|rest| (rest, "what follows `whsec_` in"));
        whole.into_iter().chain(rest).filter_map(|(text, what)| {
            let key = Key::new(&given.label, Zeroizing::new(text.as_bytes().to_vec()))?;
            let once = format!("{what} `{}` is the key as it stands, undecoded", given.label);
            Some(UNDECODED.repair(once, Change::Key(key)))
        })
    }))
}

const ENCODED_TWICE: Looks = Looks {
    code: "secret_encoded_twice",
    title: "the secret was encoded in base64 once more than it should be",
    advice: "Configure the secret as the sender showed it; a tool that stores secrets in base64 (Kubernetes, Terraform) \
             wants them encoded and hands them over decoded, so look at which of the two it was given.",
};

/// `whsec_` around, or base64 of, a whole secret.
pub(super) fn encoded_twice(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().filter_map(|given| {
        let inner = Zeroizing::new(String::from_utf8(decode(&bare(&given.text))?.to_vec()).ok()?);
        let key = key_of(&given.label, inner.trim())?;
        Some(ENCODED_TWICE.repair(format!("the secret `{}` is decoded once more", given.label), Change::Key(key)))
    }))
}

const HEXADECIMAL: Looks = Looks {
    code: "secret_in_hex",
    title: "the secret is written in hexadecimal digits",
    advice: "Configure it in base64, after `whsec_`: the same bytes, in the form in which this scheme writes them.",
};

/// Written in hex, which is also readable as base64.
pub(super) fn hexadecimal(case: &Case) -> Repairs<'_> {
    Box::new(case.secrets.iter().filter_map(|given| {
        let text = bare(&given.text);
        let bytes = from_hex(text.strip_prefix(PREFIX).unwrap_or(&text))?;
        let key = Key::new(&given.label, Zeroizing::new(bytes))?;
        Some(HEXADECIMAL.repair(format!("the secret `{}` is read as hexadecimal", given.label), Change::Key(key)))
    }))
}

const EXPIRED: Looks = Looks {
    code: "secret_expired",
    title: "it is signed with a secret that has expired",
    advice: "The sender still signs with the old secret: finish the rotation on its side, or extend the expiry.",
};

/// Genuine, but for the expiry.
pub(super) fn expired(case: &Case) -> Repairs<'_> {
    let expired = case.secrets.iter().filter(|given| given.expires_at.is_some_and(|at| at <= case.now));
    Box::new(expired.filter_map(|given| {
        let ago = given.expires_at.map(|at| crate::time::described(at.as_secs(), case.now)).unwrap_or_default();
        let once = format!("the expiry of `{}`, {ago}, is passed over", given.label);
        Some(EXPIRED.repair(once, Change::Key(key(given)?)))
    }))
}

const OTHER: Looks = Looks {
    code: "other_secret",
    title: "it is signed with another secret, one that is not configured",
    advice: "Configure that secret, if its sender is the one that should be trusted; else let the sender use its own: \
             environments, projects and endpoints each have a secret of their own.",
};

/// One of the secrets that were given to be tried.
pub(super) fn other(case: &Case) -> Repairs<'_> {
    Box::new(case.other_secrets.iter().filter_map(|given| {
        let key = key_of(&given.label, &bare(&given.text))?;
        Some(OTHER.repair(format!("`{}` is the secret", given.label), Change::Key(key)))
    }))
}

const PUBLIC_KEY: Looks = Looks {
    code: "public_key_as_secret",
    title: "a public key stands where the secret should be",
    advice: "`whpk_…` is known to everybody and verifies `v1a` signatures only. A `v1` signature needs the secret, \
             `whsec_…`, that the sender showed when the webhook was made.",
};
const PRIVATE_KEY: Looks = Looks {
    code: "private_key_as_secret",
    title: "a sender's private key stands where the secret should be",
    advice: "`whsk_…` belongs to the sender alone: have it replaced, and configure the secret, `whsec_…`.",
};
const SHORTENED: Looks = Looks {
    code: "secret_shortened",
    title: "the secret is the shortened form that is shown for recognition",
    advice: "The whole secret is shown once, on creation or rotation. If it was not kept, rotate it.",
};
const UNREADABLE: Looks = Looks {
    code: "secret_unreadable",
    title: "the secret cannot be read",
    advice: "Configure it as the sender showed it: `whsec_`, then base64.",
};

/// What the secret is wrong with is known better once a repair has proved it.
pub(super) fn is_superseded(finding: &Finding) -> bool {
    finding.code == UNREADABLE.code
}

/// Something else than a secret, by its looks.
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

/// The key that the core makes of this text.
pub(super) fn key(given: &SecretText) -> Option<Rc<Key>> {
    Secret::parse(&given.text).ok().and_then(|_| key_of(&given.label, &given.text))
}

fn key_of(label: &str, text: &str) -> Option<Rc<Key>> {
    Key::new(label, decode(text)?)
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&ALPHABET, LENIENT);
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    let standard = Zeroizing::new(encoded.replace('-', "+").replace('_', "/"));
    let mut bytes = Zeroizing::new(Vec::with_capacity(standard.len()));
    ENGINE.decode_vec(standard.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    (!pairs.is_empty() && rest.is_empty()).then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
