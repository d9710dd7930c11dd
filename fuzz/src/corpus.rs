//! The corpus: one file for each target, one entry on each line, with escapes as in Rust's byte strings.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::Target;

/// The checked-in corpus of a target has at most this many bytes. The shortest entries are kept.
const MAX_PACKED: usize = 20 * 1024;

/// The entries of a target: the seeds, and what the fuzzers have found.
pub fn entries(target: &Target) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(file(target)).unwrap_or_default();
    (target.seeds)().into_iter().chain(text.lines().map(unescaped)).collect()
}

/// Writes each entry as a file in `folder`, as fuzzers need them.
pub fn unpack(target: &Target, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (number, entry) in entries(target).iter().enumerate() {
        std::fs::write(folder.join(format!("checked-in-{number:04}")), entry)?;
    }
    Ok(())
}

/// Replaces the entries of a target, except its seeds, with the files in `folder`.
pub fn pack(target: &Target, folder: &Path) -> io::Result<()> {
    let seeds = (target.seeds)();
    let mut lines = BTreeSet::new();
    for file in std::fs::read_dir(folder)? {
        let bytes = std::fs::read(file?.path())?;
        if !seeds.contains(&bytes) {
            lines.insert((bytes.len(), format!("{}\n", bytes.escape_ascii())));
        }
    }
    let mut packed = String::new();
    for (_, line) in lines {
        if packed.len() + line.len() <= MAX_PACKED {
            packed.push_str(&line);
        }
    }
    std::fs::write(file(target), packed)
}

fn file(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{}.txt", target.name))
}

/// The bytes of a line that `escape_ascii` has written.
fn unescaped(line: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), line.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next() {
                Some(b'x') => {
                    let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).unwrap_or_default();
                    u8::try_from(digit() * 16 + digit()).unwrap_or_default()
                }
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                other => other.unwrap_or(b'\\'),
            },
            byte => byte,
        });
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_a_line() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let line = all.escape_ascii().to_string();
        assert!(!line.contains('\n') && line.is_ascii());
        assert_eq!(unescaped(&line), all);
    }
}
