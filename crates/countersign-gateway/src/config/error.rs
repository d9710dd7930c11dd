//! Errors and warnings of a configuration.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::hide::without_secrets;
use super::key_path::KeyPath;

/// Why a configuration was rejected: the line, what is wrong, and what to do.
///
/// Its text never repeats a value that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub(super) Located);

/// Something in a configuration that is allowed but probably not meant: the line, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub(super) Located);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) file: PathBuf,
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

impl ConfigError {
    /// The line in the file, counted from one. `None` if the error concerns the whole file.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self(Located { file: file.into(), line: None, message: format!("cannot be read: {error}") })
    }
}

impl Warning {
    /// The line in the file, counted from one. `None` if the warning concerns the whole file.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ConfigError {}

/// An error or a warning, before its line is looked up.
#[derive(Debug)]
pub(crate) struct Problem {
    place: Place,
    message: String,
    /// Parts of the message that are no secrets, even if they look like one.
    shown: Vec<String>,
}

/// What a problem concerns.
#[derive(Debug)]
pub(super) enum Place {
    /// The file.
    Whole,
    /// These bytes of it.
    Span(Range<usize>),
    /// The first of these values that is written.
    Keys(Vec<KeyPath>),
}

impl Problem {
    /// A problem with this value. If it is not written, the line is that of the table around it.
    pub(crate) fn at(path: &KeyPath, message: impl Into<String>) -> Self {
        Self::at_first([path.clone()], message)
    }

    /// A problem with the first of these values that is written.
    pub(crate) fn at_first(paths: impl Into<Vec<KeyPath>>, message: impl Into<String>) -> Self {
        Self { place: Place::Keys(paths.into()), message: message.into(), shown: Vec::new() }
    }

    /// A problem with these bytes of the file.
    pub(super) fn in_text(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { place: Place::Span(span), message: message.into(), shown: Vec::new() }
    }

    /// A problem with the file as a whole.
    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self { place: Place::Whole, message: message.into(), shown: Vec::new() }
    }

    /// Shows this part of the message as it is, for example the path of a file.
    pub(crate) fn showing(mut self, part: impl Into<Option<String>>) -> Self {
        self.shown.extend(part.into().filter(|part| !part.is_empty()));
        self
    }

    /// What it concerns, and the message in one line, without anything that could be a secret.
    pub(super) fn into_parts(self) -> (Place, String) {
        let message = hidden(self.message.trim_end(), &self.shown).replace('\n', "; ");
        (self.place, message)
    }
}

/// The message without anything that could be a secret, but with these parts as they are.
fn hidden(message: &str, shown: &[String]) -> String {
    match shown.split_first() {
        None => without_secrets(message),
        Some((part, others)) => message.split(part).map(|rest| hidden(rest, others)).collect::<Vec<_>>().join(part),
    }
}
