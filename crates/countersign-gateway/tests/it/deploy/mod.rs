//! The files in `deploy/`: each is read by the program that it is for where that is installed, and otherwise by a parser.

mod container;
mod fronts;
mod health;
mod kubernetes;
mod monitoring;
mod package;
mod systemd;

use std::path::{Path, PathBuf};

use crate::common::{SECRET, run};

/// A file of `deploy/`.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// The text of a file of `deploy/`.
fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text with these replacements, each of which is there.
fn replaced(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old} is not in {text}");
        text.replace(old, new)
    })
}

/// Checks a configuration whose secret `gemini` is in this folder. There are no warnings but these.
fn assert_is_good(config: &str, secrets: &str, warnings: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("gemini"), SECRET).expect("a file");
    let own = folder.path().display().to_string();
    let output = run(folder.path(), &replaced(config, &[(secrets, &own)]), &["--check"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(printed.contains("configuration OK (1 route, 1 source)"), "{printed}");
    let warned: Vec<_> = printed.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warned.len(), warnings.len(), "{printed}");
    assert!(warned.iter().zip(warnings).all(|(line, expected)| line.contains(expected)), "{printed}");
}

/// The duration of a key of this configuration, in seconds.
fn seconds(config: &str, key: &str) -> Option<u64> {
    let value = config.lines().find_map(|line| line.trim().strip_prefix(key)?.trim().strip_prefix('='))?;
    Some(value.trim().trim_matches('"').strip_suffix('s')?.parse().expect("seconds"))
}

/// How long a process with this configuration may take to stop, in seconds.
fn stop_takes(config: &str) -> u64 {
    seconds(config, "drain_delay").unwrap_or(0) + seconds(config, "shutdown_timeout").unwrap_or(15)
}
