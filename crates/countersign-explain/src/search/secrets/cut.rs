//! Secrets that have lost characters at an end.

use super::key::Key;
use super::text::{PREFIX, bare, decode};
use crate::finding::Explanation;
use crate::secret_text::SecretText;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Letters and digits: the keys of many senders.
const WORD: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// How many of them are tried for a key of small letters and digits.
const SMALL: usize = 36;
/// Longer secrets are taken for whole, and shorter ones have too many forms.
const LENGTHS: std::ops::Range<usize> = 16..128;

const CUT: Explanation = Explanation {
    code: "secret_cut",
    title: "characters at the beginning or the end of the configured secret are missing",
    advice: "Copy the secret again, whole, from where the sender shows it: a double click or a narrow field selects only a part. If the \
             sender shows it no more, rotate it.",
};

/// Every secret of which up to three characters at the end, or two at the beginning, are missing.
pub(super) fn of(given: &SecretText) -> Box<dyn Iterator<Item = Key> + '_> {
    let bare = bare(&given.text);
    let text = bare.strip_prefix(PREFIX).unwrap_or(&bare).trim_end_matches('=').to_owned();
    if !LENGTHS.contains(&text.len()) {
        return Box::new(std::iter::empty());
    }
    let key = move |bytes: Vec<u8>, what: &str| {
        let once = format!("{what} of `{}` are restored", given.label);
        Key::new(&given.label, bytes, vec![CUT.step(once)])
    };
    let pairs = || ALPHABET.iter().flat_map(|one| ALPHABET.iter().map(move |two| [*one, *two]));
    let end = {
        let text = text.clone();
        pairs().filter_map(move |pair| Some(key(decoded(&[text.as_bytes(), &pair])?, "two characters at the end")))
    };
    let begin = {
        let text = text.clone();
        pairs()
            .filter_map(move |pair| Some(key(decoded(&[&pair, text.as_bytes()])?, "two characters at the beginning")))
    };
    // Three characters of a text in base64 are two or three of the text itself.
    let words = tails(&text).map(move |bytes| key(bytes, "the last characters"));
    Box::new(end.chain(begin).chain(words))
}

fn decoded(parts: &[&[u8]]) -> Option<Vec<u8>> {
    decode(str::from_utf8(&parts.concat()).ok()?).map(|bytes| bytes.to_vec())
}

/// The keys that begin with the whole bytes of this text, if all of them are letters and digits, with up to three more.
fn tails(text: &str) -> impl Iterator<Item = Vec<u8>> + use<> {
    // One character of four encodes no whole byte.
    let text = if text.len() % 4 == 1 { &text[..text.len() - 1] } else { text };
    let whole = text.len() * 6 / 8;
    let known: Vec<u8> = decode(text).map(|bytes| bytes.get(..whole).unwrap_or_default().to_vec()).unwrap_or_default();
    let is_word = known.len() > 8 && known.iter().all(u8::is_ascii_alphanumeric);
    let letters = if known.iter().any(u8::is_ascii_uppercase) { WORD.len() } else { SMALL };
    let counts = if is_word { 1..4_u32 } else { 0..0 };
    counts.flat_map(move |count| {
        let known = known.clone();
        (0..letters.pow(count)).map(move |number| {
            let mut rest = number;
            let tail = (0..count).map(|_| {
                let letter = WORD[rest % letters];
                rest /= letters;
                letter
            });
            known.iter().copied().chain(tail).collect()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_at_an_end_is_tried() {
        let whole = b"6vvi5937j9v6mqpf83odvqs5cpzq9r2s".to_vec();
        let text = "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=";
        for cut in [&text[..41], &text[2..], &text[..40], &text[..39]] {
            let given = SecretText::new("a", format!("whsec_{cut}"));
            assert!(of(&given).any(|key| **key.bytes == whole), "{cut}");
        }
        assert!(of(&SecretText::new("a", "whsec_AA")).next().is_none());
    }
}
