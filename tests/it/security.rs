//! `SECURITY.md` names a test for each promise. The tests exist.

use std::fs;
use std::path::Path;

#[test]
fn the_tests_that_hold_the_promises_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("SECURITY.md")).expect("the page");
    let (_, rest) = page.split_once("\n## Promises\n").expect("a section");
    let (promises, _) = rest.split_once("\n## ").expect("another section");
    let rows: Vec<_> = promises.lines().filter(|line| line.starts_with("| ") && line.contains("**")).collect();
    assert!(rows.len() >= 8, "{} promises", rows.len());
    for (number, row) in (1..).zip(rows) {
        assert!(row.starts_with(&format!("| {number} | ")), "{row}");
        let tests: Vec<_> = row.split("[`").skip(1).filter_map(|link| link.split_once("`](")).collect();
        assert!(!tests.is_empty(), "promise {number} has no test");
        for (name, link) in tests {
            let (file, _) = link.split_once(')').expect("the end of a link");
            let text = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let (before, _) =
                text.split_once(&format!("fn {name}()")).unwrap_or_else(|| panic!("{file} has no {name}"));
            let attribute = before.trim_end().trim_end_matches("async").trim_end().lines().last().unwrap_or_default();
            assert!(attribute.contains("test"), "{name} in {file} is no test: {attribute}");
        }
    }
}
