//! Secrets with one wrong character.

use super::key::Key;
use super::text::{PREFIX, bare, decode};
use crate::explain::finding::Explanation;
use crate::secrets::SecretText;

const MISTYPED: Explanation = Explanation {
    code: "secret_mistyped",
    title: "one character of the configured secret is wrong, missing or too many",
    advice: "Copy the secret again, whole, from where the sender shows it: the first or last character is easily missed, and `O` \
             and `0`, `l` and `I` look alike. If the sender shows it no more, rotate it.",
};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Longer secrets have too many variants.
const MAX_LEN: usize = 128;

/// Every secret that differs in one character.
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
    Box::new(without.chain(swapped).chain(replaced).chain(inserted))
}
