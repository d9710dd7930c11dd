//! Output: plain text without colours, and without control characters from outside.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};

pub(crate) use countersign_explain::shown;
use serde::Serialize;

use crate::error::Error;

/// Stdout. A closed pipe is not an error, and does not change the exit code.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: io::Stdout,
    is_closed: bool,
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self { stdout: io::stdout(), is_closed: false }
    }

    pub(crate) fn print(&mut self, text: &str) -> Result<(), Error> {
        if self.is_closed {
            return Ok(());
        }
        match self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            result => result.map_err(Error::Write),
        }
    }

    pub(crate) fn print_json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(value).map_err(|error| Error::Write(error.into()))?;
        text.push('\n');
        self.print(&text)
    }
}

/// Prints a problem to stderr. If that fails as well, the exit code remains.
pub(crate) fn complain(problem: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "countersign: {problem}");
}

/// Rows as lines, with the cells of each column below each other.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
