//! The part of a text that is encoded, between names, quotes and the lines of a table.

/// The smallest part of a text that an encoded body may be, in percent: the rest is a name, quotes or a table around it.
const MAIN_PART: usize = 70;

/// The longest run of characters for which `is_part` holds, if it is most of the text.
pub(super) fn main_run(text: &str, is_part: impl Fn(char) -> bool) -> Option<&str> {
    let longest = text.split(|character| !is_part(character)).max_by_key(|run| run.len())?;
    (longest.len() * 100 >= text.len() * MAIN_PART).then_some(longest)
}
