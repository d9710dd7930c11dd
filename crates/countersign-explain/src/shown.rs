//! Text from outside, without control characters.

/// Text from outside is truncated to this many characters.
const SHOWN: usize = 300;

/// Escapes text from outside, so that a terminal shows it and does nothing else. Long text is truncated.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(visible).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(character: char) -> impl Iterator<Item = char> {
    // Quotes and other printable characters stay as they are.
    let escaped = character.is_control() || !matches!(character.escape_debug().next(), Some(c) if c != '\\');
    let plain = !escaped || matches!(character, '"' | '\'' | '\\');
    plain.then_some(character).into_iter().chain((!plain).then(|| character.escape_debug()).into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(shown("a \"b\" é\u{1b}[31m\u{9b}\n"), "a \"b\" é\\u{1b}[31m\\u{9b}\\n");
        assert_eq!(shown(&"x".repeat(SHOWN + 1)), format!("{}…", "x".repeat(SHOWN)));
    }
}
