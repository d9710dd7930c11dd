//! The book in `docs/`: its pages are listed, its links lead somewhere, its configurations are valid, its generated pages
//! are up to date, and its commands do what it says.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

mod configuration;
mod generated;
mod scripts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_gateway::config::Config;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source() -> PathBuf {
    root().join("docs/src")
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The pages that the summary lists.
fn listed() -> BTreeSet<PathBuf> {
    links(&read(&source().join("SUMMARY.md"))).into_iter().map(|link| source().join(link)).collect()
}

/// The pages in a folder and below it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { BTreeSet::from([path]) }).collect()
}

/// The targets of all Markdown links.
fn links(text: &str) -> Vec<String> {
    text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// The blocks of code of this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    text.split(&start).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

/// The names under which mdBook makes the headings of a page reachable.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    titles.map(|title| title.chars().filter_map(slug).collect()).collect()
}

fn slug(char: char) -> Option<char> {
    match char {
        ' ' => Some('-'),
        _ if char.is_alphanumeric() || "-_".contains(char) => Some(char.to_ascii_lowercase()),
        _ => None,
    }
}

#[test]
fn every_page_is_listed_once_and_exists() {
    let mut found = files(&source());
    // The charts of the benchmarks are pictures of one page.
    found.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    assert!(found.remove(&source().join("SUMMARY.md")));
    assert_eq!(found, listed());
}

#[test]
fn links_lead_to_pages_headings_and_files() {
    for page in listed() {
        let text = read(&page);
        for link in links(&text) {
            if let Some(path) = link.strip_prefix("https://github.com/countersign/countersign/tree/main/") {
                assert!(root().join(path).exists(), "{}: {link}", page.display());
            } else if !link.contains("://") {
                let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
                let target = page.parent().expect("a folder").join(path);
                assert!(target.is_file(), "{}: {link}", page.display());
                assert!(heading.is_empty() || headings(&read(&target)).contains(heading), "{}: {link}", page.display());
            }
        }
    }
}

#[test]
fn configurations_are_valid_and_raise_no_warning() {
    let mut count = 0;
    for page in listed() {
        for block in blocks(&read(&page), "toml") {
            let folder = tempfile::tempdir().expect("a folder");
            // Files stand in for the environment, which is shared by all tests.
            let file = folder.path().join("gateway.toml");
            fs::write(&file, block.replace("{ env = ", "{ file = ")).expect("a file");
            let config = Config::load(&file).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
            assert_eq!(config.warnings, [], "{}", page.display());
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn metrics_have_the_names_that_the_gateway_uses() {
    let known = read(&root().join("crates/countersign-gateway/README.md"))
        + &files(&root().join("deploy/monitoring")).iter().map(|file| read(file)).collect::<String>();
    for page in listed() {
        let text = read(&page);
        let is_part = |char: char| char.is_ascii_lowercase() || char == '_';
        for (at, _) in text.match_indices("`countersign_") {
            let name = text[at + 1..].split(|char| !is_part(char)).next().expect("a name");
            assert!(known.contains(name), "{}: {name}", page.display());
        }
    }
}
