//! The text of a configuration, and the lines of its values.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Located, Place, Problem, Warning};
use super::key_path::{KeyPath, Step};

/// A file as it was written.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    file: PathBuf,
    text: String,
}

impl fmt::Debug for Document {
    /// Without the text: a secret may have been pasted into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.file).finish()
    }
}

impl Document {
    pub(super) fn new(file: &Path, text: String) -> Self {
        Self { file: file.into(), text }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

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

    fn located(&self, problem: Problem) -> Located {
        let (place, message) = problem.into_parts();
        let line = match place {
            Place::Whole => None,
            Place::Span(span) => Some(self.line_of(&span)),
            Place::Keys(candidates) => self.line_of_first(&candidates),
        };
        Located { file: self.file.clone(), line, message }
    }

    /// The line of the first of these values that is written, or else of the innermost table around the last one.
    fn line_of_first(&self, candidates: &[KeyPath]) -> Option<usize> {
        let tree = DeTable::parse(&self.text).ok()?;
        let found: Vec<_> = candidates.iter().map(|path| find(tree.get_ref(), path)).collect();
        let written = found.iter().find(|found| found.is_written).or(found.last())?;
        written.span.as_ref().map(|span| self.line_of(span))
    }

    /// The line of this value, counted from one, or else of the innermost table around it.
    pub(crate) fn line(&self, path: &KeyPath) -> Option<usize> {
        self.line_of_first(std::slice::from_ref(path))
    }

    /// The line where these bytes begin, counted from one.
    pub(super) fn line_of(&self, span: &Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// The place of a value, as far as it is written.
struct Found {
    span: Option<Range<usize>>,
    is_written: bool,
}

fn find(tree: &DeTable<'_>, path: &KeyPath) -> Found {
    let (mut span, mut table, mut array) = (None, Some(tree), None);
    for step in path.steps() {
        let next = match step {
            Step::Key(name) => table
                .and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name))
                .map(|(key, value)| (key.span(), value)),
            Step::Entry(position) => {
                array.and_then(|array: &toml::de::DeArray<'_>| array.get(*position)).map(|value| (value.span(), value))
            }
        };
        let Some((at, value)) = next else { return Found { span, is_written: false } };
        (span, table, array) = (Some(at), value.get_ref().as_table(), value.get_ref().as_array());
    }
    Found { span, is_written: true }
}

/// The innermost value, or the key, that these bytes belong to: its path, and the kind of value.
pub(super) fn value_at(tree: &DeTable<'_>, span: &Range<usize>) -> Option<(KeyPath, &'static str)> {
    in_table(tree, &KeyPath::default(), span)
}

fn in_table(table: &DeTable<'_>, at: &KeyPath, span: &Range<usize>) -> Option<(KeyPath, &'static str)> {
    table.iter().find_map(|(key, value)| {
        let path = at.key(key.get_ref());
        let is_here = contains(&key.span(), span) || contains(&value.span(), span);
        in_value(value.get_ref(), &path, span).or_else(|| is_here.then(|| (path, value.get_ref().type_str())))
    })
}

fn in_value(value: &DeValue<'_>, at: &KeyPath, span: &Range<usize>) -> Option<(KeyPath, &'static str)> {
    match value {
        // Also if the span is not inside: that of a table with a header is the header only.
        DeValue::Table(table) => in_table(table, at, span),
        DeValue::Array(array) => array.iter().enumerate().find_map(|(position, value)| {
            let path = at.entry(position);
            in_value(value.get_ref(), &path, span)
                .or_else(|| contains(&value.span(), span).then(|| (path, value.get_ref().type_str())))
        }),
        _ => None,
    }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && !outer.is_empty()
}
