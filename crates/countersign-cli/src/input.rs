//! Reads whole files and stdin, up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The largest body, in bytes.
pub(crate) const BODY_LIMIT: u64 = 64 << 20;
/// The largest file of headers, a secret, keys or certificates, in bytes.
pub(crate) const TEXT_LIMIT: u64 = 1 << 20;
/// The largest file with headers and body, in bytes: base64 makes the body a third larger.
pub(crate) const REQUEST_LIMIT: u64 = 96 << 20;

/// Reads a file, or stdin for `-`.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let what = name(path);
    let fail = |error| Error::Read { what: what.clone(), error };
    let reader: Box<dyn Read> =
        if is_stdin(path) { Box::new(std::io::stdin()) } else { Box::new(File::open(path).map_err(fail)?) };
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    match u64::try_from(bytes.len()) {
        Ok(len) if len <= limit => Ok(bytes),
        _ => Err(Error::TooLarge { what, limit }),
    }
}

/// Rejects a command line that would read stdin more than once.
pub(crate) fn stdin_once<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Error> {
    match paths.into_iter().filter(|path| is_stdin(path)).nth(1) {
        None => Ok(()),
        Some(_) => Err(Error::StdinTwice),
    }
}

/// The name of a file in errors.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "stdin".into() } else { path.display().to_string() }
}

/// Whether a path names stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}
