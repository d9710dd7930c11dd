use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a configuration was not taken: where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    message: String,
}

impl ConfigError {
    /// The line that it is about, counted from one; none if it is about the file as a whole.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        Self { file: file.into(), line: None, message: format!("cannot be read: {error}") }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// What is wrong, at which bytes of the file.
pub(super) struct Problem {
    span: Option<Range<usize>>,
    message: String,
}

impl Problem {
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into() }
    }

    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into() }
    }
}

/// The file that a problem is in.
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Place<'_> {
    pub(super) fn problem(&self, problem: Problem) -> ConfigError {
        self.error(problem.span, &problem.message)
    }

    pub(super) fn error(&self, span: Option<Range<usize>>, message: &str) -> ConfigError {
        let before = |span: Range<usize>| &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = span.map(|span| before(span).iter().filter(|byte| **byte == b'\n').count() + 1);
        ConfigError { file: self.file.into(), line, message: message.trim_end().replace('\n', "; ") }
    }
}
