//! Secrets that were changed to capitals or small letters.
//!
//! Of random bytes, too many secrets have the same letters. But many senders encode a text of letters and digits, of which
//! each group of four characters has few spellings.

use super::key::Key;
use super::text::{PREFIX, bare, decode};
use crate::finding::Explanation;
use crate::secret_text::SecretText;

/// How many spellings are tried.
const MAX_SPELLINGS: usize = 300_000;

const CASE_LOST: Explanation = Explanation {
    code: "secret_case_lost",
    title: "the letters of the secret were changed to capitals or to small letters",
    advice: "Copy the secret again from where the sender shows it: base64 is case-sensitive. Something on the way (a form, a filter, \
             a database) has changed its letters.",
};

/// Whether the letters of a secret are all capitals, or all small.
pub(crate) fn is_one_case(text: &str) -> bool {
    let letters = || text.chars().filter(char::is_ascii_alphabetic);
    letters().count() >= 12 && (letters().all(|c| c.is_ascii_uppercase()) || letters().all(|c| c.is_ascii_lowercase()))
}

/// Every spelling of a secret in one case that encodes letters and digits.
pub(super) fn of(given: &SecretText) -> Box<dyn Iterator<Item = Key> + '_> {
    let bare = bare(&given.text);
    let text = bare.strip_prefix(PREFIX).unwrap_or(&bare).trim_end_matches('=');
    if !is_one_case(text) {
        return Box::new(std::iter::empty());
    }
    // Small letters and digits first, which have fewer spellings.
    let spellings = [is_small as fn(&[u8]) -> bool, is_word].into_iter().find_map(|is_part| spellings(text, is_part));
    let groups = spellings.unwrap_or_default();
    let count: usize = if groups.is_empty() { 0 } else { groups.iter().map(Vec::len).product() };
    Box::new((0..count).map(move |number| {
        let mut rest = number;
        let bytes = groups.iter().flat_map(|group| {
            let chosen = &group[rest % group.len()];
            rest /= group.len();
            chosen.iter().copied()
        });
        let once = format!("the letters of `{}` are capitals and small letters again", given.label);
        Key::new(&given.label, bytes.collect(), vec![CASE_LOST.step(once)])
    }))
}

fn is_small(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_word(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
}

/// The bytes that each group of four characters may encode; `None` if a group has none, or there are too many.
fn spellings(text: &str, is_part: fn(&[u8]) -> bool) -> Option<Vec<Vec<Vec<u8>>>> {
    let groups: Option<Vec<_>> = text
        .as_bytes()
        .chunks(4)
        .map(|group| {
            let all = (0..1_usize << group.len()).filter_map(|capitals| {
                let spelled = group.iter().enumerate().map(|(at, byte)| {
                    if capitals >> at & 1 == 1 { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
                });
                let spelled: Vec<u8> = spelled.collect();
                let bytes = decode(str::from_utf8(&spelled).ok()?)?.to_vec();
                is_part(&bytes).then_some(bytes)
            });
            let mut all: Vec<_> = all.collect();
            all.sort();
            all.dedup();
            (!all.is_empty()).then_some(all)
        })
        .collect();
    let groups = groups?;
    let count = groups.iter().try_fold(1_usize, |count, group| count.checked_mul(group.len()));
    count.is_some_and(|count| count <= MAX_SPELLINGS).then_some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_letters_is_spelled_again() {
        for text in
            ["whsec_NNZ2ATU5MZDQOXY2BXFWZJGZB2R2CXM1Y3B6CTLYMNM=", "whsec_nnz2atu5mzdqoxy2bxfwzjgzb2r2cxm1y3b6ctlymnm="]
        {
            let given = SecretText::new("a", text);
            let keys: Vec<_> = of(&given).map(|key| key.bytes.to_vec()).collect();
            assert!(keys.iter().any(|key| key == b"6vvi5937j9v6mqpf83odvqs5cpzq9r2s"), "{}", keys.len());
        }
        assert_eq!(of(&SecretText::new("a", "whsec_NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=")).count(), 0);
    }
}
