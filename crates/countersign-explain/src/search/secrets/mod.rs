//! The keys that a sender may have made of a secret.

mod cut;
mod forms;
mod key;
mod one_case;
mod several;
mod text;
mod typos;

pub(super) use key::Key;
pub(crate) use one_case::is_one_case;
pub(crate) use text::{bare, decode};

use countersign::Secret;

use crate::case::Case;
use crate::finding::Explanation;
use crate::secret_text::SecretText;

/// How many secrets are searched for mistyped characters.
const MAX_MISTYPED: usize = 2;

const EXPIRED: Explanation = Explanation {
    code: "secret_expired",
    title: "the delivery is signed with a secret that has expired",
    advice: "The sender still signs with the old secret: finish the rotation on its side, or extend the expiry.",
};
const OTHER: Explanation = Explanation {
    code: "other_secret",
    title: "the delivery is signed with a secret that is not configured",
    advice: "Configure that secret if its sender should be trusted; otherwise the sender must use its own. Each \
             environment, project and endpoint has its own secret.",
};

/// The keys that verify: the valid secrets that have not expired.
pub(super) fn configured(case: &Case) -> Vec<Key> {
    let live = case.secrets.iter().filter(|given| !is_expired(given, case));
    live.filter_map(|given| decoded(given).map(|bytes| Key::new(&given.label, bytes, Vec::new()))).collect()
}

/// The keys of other secrets, and of the secrets in other forms, most likely first.
pub(super) fn others(case: &Case) -> Vec<Key> {
    let mut keys = Vec::new();
    for given in &case.secrets {
        if is_expired(given, case) {
            let ago = given.expires_at.map(|at| crate::time::described(at.as_secs(), case.now)).unwrap_or_default();
            let step = EXPIRED.step(format!("the expiry of `{}`, {ago}, is ignored", given.label));
            keys.extend(decoded(given).map(|bytes| Key::new(&given.label, bytes, vec![step])));
        }
        keys.extend(forms::of(given));
    }
    for given in &case.other_secrets {
        let step = OTHER.step(format!("`{}` is the secret", given.label));
        let bare = decode(&bare(&given.text));
        keys.extend(bare.map(|bytes| Key::new(&given.label, bytes.to_vec(), vec![step.clone()])));
        keys.extend(forms::of(given).into_iter().map(|mut key| {
            key.steps.insert(0, step.clone());
            key
        }));
    }
    keys.extend(forms::unset());
    keys
}

/// The keys of secrets with one wrong character, in one case, or with characters missing at an end.
pub(super) fn mistyped(case: &Case) -> impl Iterator<Item = Key> {
    let given = || case.secrets.iter().take(MAX_MISTYPED);
    given().flat_map(typos::of).chain(given().flat_map(one_case::of)).chain(given().flat_map(cut::of))
}

fn is_expired(given: &SecretText, case: &Case) -> bool {
    given.expires_at.is_some_and(|at| at <= case.now)
}

/// The bytes of a secret that the verifier accepts.
fn decoded(given: &SecretText) -> Option<Vec<u8>> {
    Secret::parse(&given.text).ok().and_then(|_| decode(&given.text)).map(|bytes| bytes.to_vec())
}
