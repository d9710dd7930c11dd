//! One row for each figure that has a target, in a Markdown table.

#![expect(clippy::expect_used, reason = "a bench whose table cannot be written is a failed one")]

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::{env, fs};

use crate::spread::Spread;

/// A table, with what has to be known to read it.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    text: String,
}

/// What a figure is held to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// It should not be larger than this.
    AtMost(f64),
    /// It should not be smaller than this.
    AtLeast(f64),
}

impl Report {
    /// An empty report; `name` is also that of its file.
    pub fn new(name: &'static str, title: &str, conditions: &str) -> Self {
        Self { name, text: format!("## {title}\n\n{conditions}\n") }
    }

    /// Begins a part of its own.
    pub fn section(&mut self, title: &str, conditions: &str) {
        write!(self.text, "\n### {title}\n\n{conditions}\n").expect("a string takes all");
    }

    /// Begins a table with these columns.
    pub fn columns(&mut self, names: &[&str]) {
        self.text.push('\n');
        self.row(names);
        self.row(&vec!["---"; names.len()]);
    }

    /// Adds a row to the table.
    pub fn row<T: fmt::Display>(&mut self, cells: &[T]) {
        self.text.push('|');
        for cell in cells {
            write!(self.text, " {cell} |").expect("a string takes all");
        }
        self.text.push('\n');
    }

    /// Prints the report, and writes it to `bench/<name>.md` in the target directory.
    pub fn publish(self) {
        println!("{}", self.text);
        let folder = target_dir().join("bench");
        fs::create_dir_all(&folder).expect("the target directory can be written to");
        fs::write(folder.join(self.name).with_extension("md"), self.text).expect("the report can be written");
    }
}

/// The directory that cargo builds in: a program lies in `<target>/<profile>/`, a bench in its `deps/`.
pub fn target_dir() -> PathBuf {
    let program = env::current_exe().expect("a program knows where it lies");
    program.ancestors().nth(2).expect("it lies in a target directory").to_owned()
}

impl Target {
    /// `PASS` if the median reaches the target, `SHORT` if not.
    pub fn verdict(self, measured: Spread) -> &'static str {
        let reached = match self {
            Self::AtMost(limit) => measured.median <= limit,
            Self::AtLeast(limit) => measured.median >= limit,
        };
        if reached { "PASS" } else { "SHORT" }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "at most {limit}"),
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
        }
    }
}
