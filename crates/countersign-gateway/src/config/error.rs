use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The length of the shortest secret that is accepted, in base64 without padding.
const SHORTEST: usize = 22;

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
        ConfigError { file: self.file.into(), line, message: without_secrets(message.trim_end()).replace('\n', "; ") }
    }
}

/// The message with each word left out that could be a secret: it may have been pasted anywhere, and
/// the line says where.
fn without_secrets(message: &str) -> String {
    let words = message.split_inclusive(|char: char| !in_secrets(char));
    words
        .map(|word| {
            let bare = word.trim_end_matches(|char| !in_secrets(char));
            if could_be_secret(bare) { word.replacen(bare, "[hidden]", 1) } else { word.to_owned() }
        })
        .collect()
}

fn in_secrets(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '-' | '_' | '=')
}

/// Whether it could be a secret: better a word too few in a message. Names of environment variables,
/// in capitals, stay.
fn could_be_secret(word: &str) -> bool {
    is_like_a_secret(word)
        || (word.len() >= SHORTEST
            && word.bytes().any(|byte| byte.is_ascii_lowercase())
            && word.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}

/// Whether it looks so much like a secret that nothing should have it for its name.
pub(super) fn is_like_a_secret(word: &str) -> bool {
    let marked = ["whsec_", "whsk_"].iter().find_map(|prefix| word.split_once(prefix));
    let kinds = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit];
    marked.is_some_and(|(_, rest)| !rest.is_empty())
        || (word.len() >= SHORTEST && kinds.iter().all(|kind| word.bytes().any(|byte| kind(&byte))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_could_be_a_secret_is_left_out_of_a_message() {
        for secret in
            ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "NnZ2aTU5MzdqOXY2bXFwZjgzb2R2cXM1Y3B6cTlyMnM=", "whsec_a"]
        {
            for (message, left) in [
                (format!("invalid type: string \"{secret}\", expected"), "invalid type: string \"[hidden]\", expected"),
                (format!("`{secret}`"), "`[hidden]`"),
                (secret.to_owned(), "[hidden]"),
            ] {
                assert_eq!(without_secrets(&message), left);
            }
        }
        for plain in [
            "unknown field `a`, expected one of `upstream_timeout`, `interaction.requires_action`",
            "the environment variable GEMINI_WEBHOOK_SIGNING_SECRET_2 is not set (it is `whsec_`, then base64)",
        ] {
            assert_eq!(without_secrets(plain), plain);
        }
    }
}
