//! Secrets that were pasted together with others, or with another prefix than `whsec_`.

use super::key::Key;
use super::text::{PREFIX, bare, decode};
use crate::finding::Explanation;

const SEVERAL: Explanation = Explanation {
    code: "secret_has_others",
    title: "several secrets are configured as one",
    advice: "Configure each secret as an entry of its own: in a rotation both are valid, but they are not one text.",
};
const PREFIX_CHANGED: Explanation = Explanation {
    code: "secret_has_other_text",
    title: "the prefix of the secret was changed",
    advice: "Configure the secret as the sender shows it: it starts with `whsec_`, in small letters and with an underscore.",
};
/// How many secrets of one text are tried.
const MAX_SECRETS: usize = 16;
/// The longest prefix that is taken for a changed `whsec_`, in bytes.
const MAX_PREFIX: usize = 12;
/// The lengths of keys, in bytes, that a text with a changed prefix may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

/// The keys of a text that holds more than one secret, or one behind another prefix.
pub(super) fn of(label: &str, text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let starts: Vec<_> = text.match_indices(PREFIX).map(|(at, _)| at).take(MAX_SECRETS).collect();
    if starts.len() > 1 {
        let ends = starts[1..].iter().copied().chain([text.len()]);
        for (number, (start, end)) in starts.iter().zip(ends).enumerate() {
            let one = bare(&text[*start..end]);
            let found = format!("only secret {} in `{label}` is used", number + 1);
            keys.extend(decode(&one).map(|bytes| Key::new(label, bytes.to_vec(), vec![SEVERAL.step(found)])));
        }
    }
    let text = text.trim();
    let separators = text.match_indices(['_', '-', ':', '.']).take_while(|(at, _)| *at < MAX_PREFIX).take(2);
    for (at, _) in separators.filter(|_| !text.starts_with(PREFIX)) {
        let bytes = decode(&bare(&text[at + 1..])).filter(|bytes| LENGTHS.contains(&bytes.len()));
        let once = format!("the first {} characters of `{label}` are left out", at + 1);
        keys.extend(bytes.map(|bytes| Key::new(label, bytes.to_vec(), vec![PREFIX_CHANGED.step(once)])));
    }
    keys
}
