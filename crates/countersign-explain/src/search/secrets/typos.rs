//! Secrets with one wrong character.

use super::key::Key;
use super::text::{PREFIX, bare, decode};
use crate::finding::Explanation;
use crate::secret_text::SecretText;

const MISTYPED: Explanation = Explanation {
    code: "secret_mistyped",
    title: "one character of the configured secret is wrong, missing or too many",
    advice: "Copy the secret again, whole, from where the sender shows it: the first or last character is easily missed, and `O` \
             and `0`, `l` and `I` look alike. If the sender shows it no more, rotate it.",
};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Longer secrets have too many variants.
const MAX_LEN: usize = 128;

/// Characters that look alike.
const ALIKE: [&[u8]; 6] = [b"0Oo", b"1lIi", b"5S", b"8B", b"2Z", b"6G"];

/// Every secret that differs in two characters which look like others.
fn alike(given: &SecretText) -> impl Iterator<Item = Key> {
    let bare = bare(&given.text);
    let text: Vec<u8> = bare.strip_prefix(PREFIX).unwrap_or(&bare).bytes().collect();
    let others = |byte: u8| ALIKE.iter().find(|alike| alike.contains(&byte)).copied().unwrap_or_default();
    let changes: Vec<_> = text
        .iter()
        .enumerate()
        .flat_map(|(at, byte)| others(*byte).iter().filter(move |other| *other != byte).map(move |other| (at, *other)))
        .collect();
    let label = given.label.clone();
    let pairs = (1..changes.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    let pairs: Vec<_> = pairs.map(|(first, second)| (changes[first], changes[second])).collect();
    pairs.into_iter().filter(|(first, second)| first.0 != second.0).filter_map(move |(first, second)| {
        let mut text = text.clone();
        text[first.0] = first.1;
        text[second.0] = second.1;
        let bytes = decode(str::from_utf8(&text).ok()?)?;
        let once = format!("characters {} and {} after `whsec_` of `{label}` are replaced", first.0 + 1, second.0 + 1);
        Some(Key::new(&label, bytes.to_vec(), vec![MISTYPED.step(once)]))
    })
}

/// Every secret that differs in one character, or in two that are easily mistaken.
pub(super) fn of(given: &SecretText) -> Box<dyn Iterator<Item = Key> + '_> {
    let bare = bare(&given.text);
    let text: Vec<u8> = bare.strip_prefix(PREFIX).unwrap_or(&bare).trim_end_matches('=').bytes().collect();
    if text.len() > MAX_LEN || text.len() < 16 {
        return Box::new(std::iter::empty());
    }
    let len = text.len();
    let label = &given.label;
    let key = move |text: Vec<u8>, what: &str, at: usize| {
        let bytes = decode(str::from_utf8(&text).ok()?)?;
        // The position is not a secret, and the character is not shown.
        let once = format!("character {} after `whsec_` of `{label}` is {what}", at + 1);
        Some(Key::new(label, bytes.to_vec(), vec![MISTYPED.step(once)]))
    };
    let without = {
        let text = text.clone();
        (0..len).filter_map(move |at| key([&text[..at], &text[at + 1..]].concat(), "left out", at))
    };
    let swapped = {
        let text = text.clone();
        (1..len).filter_map(move |at| {
            let mut text = text.clone();
            text.swap(at - 1, at);
            key(text, "swapped with the one before it", at)
        })
    };
    let replaced = {
        let text = text.clone();
        (0..len).flat_map(move |at| {
            let text = text.clone();
            ALPHABET.iter().filter_map(move |byte| {
                let mut text = text.clone();
                text[at] = *byte;
                key(text, "replaced", at)
            })
        })
    };
    let inserted = (0..=len).flat_map(move |at| {
        let text = text.clone();
        ALPHABET.iter().filter_map(move |byte| key([&text[..at], &[*byte], &text[at..]].concat(), "inserted", at))
    });
    Box::new(without.chain(swapped).chain(replaced).chain(alike(given)).chain(inserted))
}
