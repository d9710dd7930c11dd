use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::hide::without_secrets;

/// Why a configuration was rejected: where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Located);

/// What is allowed in a configuration, but deserves a second look: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(Located);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Located {
    file: PathBuf,
    line: Option<usize>,
    message: String,
}

impl ConfigError {
    /// The line that it is about, counted from one; none if it is about the file as a whole.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self(Located { file: file.into(), line: None, message: format!("cannot be read: {error}") })
    }
}

impl Warning {
    /// The line that it is about, counted from one; none if it is about the file as a whole.
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

/// What is wrong, or doubtful, at which bytes of the file.
pub(crate) struct Problem {
    span: Option<Range<usize>>,
    message: String,
    /// Parts of the message that are no secrets, whatever they look like.
    shown: Vec<String>,
}

impl Problem {
    pub(crate) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), shown: Vec::new() }
    }

    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), shown: Vec::new() }
    }

    /// The same, with this part of the message shown as it is: the path of a file, for example.
    pub(crate) fn showing(mut self, part: impl Into<Option<String>>) -> Self {
        self.shown.extend(part.into().filter(|part| !part.is_empty()));
        self
    }
}

/// The file that a problem is in.
pub(crate) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Place<'_> {
    /// The directory that relative paths in the file start from.
    pub(crate) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    pub(crate) fn error(&self, problem: Problem) -> ConfigError {
        ConfigError(self.located(problem))
    }

    pub(crate) fn warning(&self, problem: Problem) -> Warning {
        Warning(self.located(problem))
    }

    /// The line of a span's beginning, and its text.
    pub(super) fn line_of(&self, span: &Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn located(&self, problem: Problem) -> Located {
        let message = hidden(problem.message.trim_end(), &problem.shown);
        let line = problem.span.map(|span| self.line_of(&span));
        Located { file: self.file.into(), line, message: message.replace('\n', "; ") }
    }
}

/// The message without what could be a secret, but with these parts as they are.
fn hidden(message: &str, shown: &[String]) -> String {
    match shown.split_first() {
        None => without_secrets(message),
        Some((part, others)) => message.split(part).map(|rest| hidden(rest, others)).collect::<Vec<_>>().join(part),
    }
}
