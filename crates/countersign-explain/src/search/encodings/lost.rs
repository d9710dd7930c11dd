//! Characters that were replaced by `?` or U+FFFD: each likely character is tried in their place.

use crate::finding::Explanation;
use crate::search::step::{Variant, Variants, one, text};

/// How many places are changed one by one.
const MAX_PLACES: usize = 12;
/// In a body with more of them, too much is lost.
const MAX_MARKS: usize = 64;

/// In larger bodies, only one character is restored: two have thousands of variants.
const MAX_LEN_FOR_PAIRS: usize = 8 << 10;

const LOST: Explanation = Explanation {
    code: "body_characters_lost",
    title: "the body was decoded as text, and characters were lost",
    advice: "Verify bytes, not text: characters that a character set does not have are replaced by `?` or U+FFFD, and are \
             lost. The bytes as received cannot be restored from such a body in general.",
};

/// The characters that are lost most often, with the most common first.
const LIKELY: &str = "éèêëàâäáãåçñöóòôõøüúùûíìîïßæœÉÈÀÂÄÁÅÇÑÖÓØÜÚŒ’‘“”–—…€£¥©®™°·•«»¿¡„‚‹›→×±½¼¾²³µşğıİĞŞłąęśżźćńŁŚŻŹĆčřšžýůěďťňČŘŠŽőűŐŰășțâî✓✔★❤😀🎉🚀👍🔥✅❌⚠";

/// One lost character, or all of them as the same one.
pub(in super::super) fn question_marks(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body) else { return one(None) };
    let marks: Vec<_> = ["\u{fffd}", "?"]
        .into_iter()
        .filter(|mark| (1..=MAX_MARKS).contains(&text.matches(*mark).take(MAX_MARKS + 1).count()))
        .collect();
    Box::new(marks.into_iter().flat_map(move |mark| {
        let runs = runs(text, mark);
        let pairs = pairs(text, mark, &runs);
        LIKELY.chars().flat_map(move |character| restored(text, mark, &runs, character)).chain(pairs)
    }))
}

/// Two different characters in the places of two marks.
fn pairs<'t>(text: &'t str, mark: &'t str, runs: &[(usize, usize)]) -> impl Iterator<Item = Variant> + use<'t> {
    let places = match runs {
        [(first, 1), (second, 1)] if text.len() <= MAX_LEN_FOR_PAIRS => Some((*first, *second)),
        _ => None,
    };
    let with = move |(first, second): (usize, usize), one: char, other: char| {
        let (before, rest) = text.split_at(first);
        let (between, after) = rest[mark.len()..].split_at(second - first - mark.len());
        let body = format!("{before}{one}{between}{other}{}", &after[mark.len()..]);
        LOST.variant(format!("the two `{mark}` are `{one}` and `{other}`"), body)
    };
    places.into_iter().flat_map(move |places| {
        LIKELY.chars().flat_map(move |one| LIKELY.chars().map(move |other| with(places, one, other)))
    })
}

/// The runs of marks: where each begins, and how many there are.
fn runs(text: &str, mark: &str) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices(mark) {
        match runs.last_mut() {
            Some((start, count)) if *start + *count * mark.len() == at => *count += 1,
            _ => runs.push((at, 1)),
        }
    }
    runs
}

/// The character in one place, and in all places. A mark stands for a character, a byte of UTF-8 or a unit of UTF-16.
fn restored(text: &str, mark: &str, runs: &[(usize, usize)], character: char) -> Vec<Variant> {
    let once = |places: &str| format!("`{mark}` is `{character}`{places}");
    let lengths = |count: usize| {
        let of = [1, character.len_utf8(), character.len_utf16()];
        of.into_iter().filter(move |len| count.is_multiple_of(*len)).map(move |len| count / len)
    };
    let replace = |chosen: &[(usize, usize)], of: usize| {
        let (mut to, mut at) = (String::with_capacity(text.len() + 8), 0);
        for (start, count) in chosen {
            to.push_str(&text[at..*start]);
            (0..count / of).for_each(|_| to.push(character));
            at = start + count * mark.len();
        }
        to + &text[at..]
    };
    let mut variants = Vec::new();
    for run in runs.iter().take(MAX_PLACES) {
        for characters in lengths(run.1) {
            let body = replace(std::slice::from_ref(run), run.1 / characters);
            variants.push(LOST.variant(once(if runs.len() > 1 { " in one place" } else { "" }), body));
        }
    }
    if runs.len() > 1 {
        for of in [1, character.len_utf8()] {
            if runs.iter().all(|(_, count)| count.is_multiple_of(of)) {
                variants.push(LOST.variant(once(" everywhere"), replace(runs, of)));
            }
        }
    }
    variants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_character_is_tried_in_each_place() {
        let all: Vec<_> = question_marks("a? caf??".as_bytes()).map(|variant| variant.body).collect();
        assert!(all.contains(&"a? café".as_bytes().into()) && all.contains(&"aé caféé".as_bytes().into()));
    }
}
