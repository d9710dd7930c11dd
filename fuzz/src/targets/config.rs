//! Configurations of the gateway.

use std::path::PathBuf;
use std::sync::LazyLock;

use countersign_gateway::Config;
use tempfile::TempDir;

use crate::texts;

/// A file of this process. Its folder goes with the temporary folder of the machine.
static FILE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    (folder, file)
});

/// An error names a line of the file, and repeats no secret.
pub(crate) fn run(bytes: &[u8]) {
    let (_, file) = &*FILE;
    std::fs::write(file, bytes).expect("a file");
    let text = String::from_utf8_lossy(bytes);
    let (shown, is_valid) = match Config::load(file) {
        Ok(config) => (config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), true),
        Err(error) => (format!("{error}\n{error:?}"), false),
    };
    assert!(is_valid || !shown.is_empty());
    let folder = file.to_string_lossy();
    for message in shown.lines() {
        let line =
            message.strip_prefix(&*folder).and_then(|rest| rest.strip_prefix(':')?.split(':').next()?.parse().ok());
        // A file that ends within a value is in error behind its last line.
        assert!(line.is_none_or(|line: usize| line <= text.lines().count() + 1), "{message}");
    }
    for secret in secrets(&text) {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// The parts of a text that look like a secret.
fn secrets(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=_-".contains(c));
    words.filter_map(|word| word.find("whsec_").map(|at| &word[at + 6..])).filter(|word| word.len() >= 16)
}

/// The examples of the gateway's own page, and wrong ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let page = include_str!("../../../crates/countersign-gateway/README.md");
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut seeds: Vec<_> = blocks.map(|block| block.as_bytes().to_vec()).collect();
    seeds.extend(texts([
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[sources.a]\nsecrets = [\"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"]\n[[routes]]\npath = \"/a\"\nsource = \"a\"\nupstream = [\"http://127.0.0.1:1\"]\n",
        "[server]\nlisten = \"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"\n",
        "[sources.a]\nsecret = \"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"\n",
        "[sources.a]\nsecrets = [{ env = \"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\" }]\n",
        "[sources.a]\nsecrets = [{ file = \"/a\", expires_at = 1979-05-27T07:32:00Z }]\n",
        "[server]\nlisten = [",
    ]));
    seeds
}
