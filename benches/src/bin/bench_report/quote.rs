//! Puts the figures of the book's page into the README.

/// The chapter of the README that quotes the page.
const CHAPTER: &str = "\n## What it costs\n";

/// The README with the first table of `page` in the place of the one in its chapter. `None` if either is missing.
pub(crate) fn quote(readme: &str, page: &str) -> Option<String> {
    let (before, chapter) = readme.split_once(CHAPTER)?;
    let (text, _, after) = around_table(chapter)?;
    let (_, new, _) = around_table(page)?;
    Some([before, CHAPTER, text, new, after].concat())
}

/// The text before the first table, the table, and the text after it.
fn around_table(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("\n|")? + 1;
    let len = text[start..].split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum::<usize>();
    Some((&text[..start], &text[start..start + len], &text[start + len..]))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn the_table_of_the_chapter_is_replaced_and_nothing_else() {
        let readme = "# A\n\n| x |\n\n## What it costs\n\nText.\n\n| a | b |\n| 1 | 2 |\n\n## More\n\n| y |\n";
        let page = "# Costs\n\n- Date\n\n| c | d |\n| 3 | 4 |\n| 5 | 6 |\n\n| z |\n";
        let quoted =
            "# A\n\n| x |\n\n## What it costs\n\nText.\n\n| c | d |\n| 3 | 4 |\n| 5 | 6 |\n\n## More\n\n| y |\n";
        assert_eq!(quote(readme, page).as_deref(), Some(quoted));
        assert_eq!(quote("# A\n", page), None);
        assert_eq!(quote(readme, "# Costs\n"), None);
    }
}
