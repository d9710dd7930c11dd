//! Reads whole files and stdin, up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

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

/// Reads a line from a file or an environment variable, and where it was read. `kind` says what it is for errors, which do
/// not contain it.
pub(crate) fn line(
    file: Option<&Path>,
    env: Option<&str>,
    kind: &str,
) -> Result<Option<(String, Zeroizing<String>)>, Error> {
    let (what, text) = match (file, env) {
        (Some(file), _) => {
            let bytes = Zeroizing::new(read(file, TEXT_LIMIT)?);
            (name(file), Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
        }
        (None, Some(name)) => {
            let text = std::env::var(name).map_err(|_| Error::Env(name.to_owned()))?;
            (format!("the environment variable `{name}`"), Zeroizing::new(text))
        }
        (None, None) => return Ok(None),
    };
    let line = text.strip_suffix('\n').map_or(&**text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = format!("this is not {kind}, which is one line of visible ASCII characters without spaces");
        return Err(Error::Unusable { what, problem });
    }
    Ok(Some((what, Zeroizing::new(line.to_owned()))))
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
