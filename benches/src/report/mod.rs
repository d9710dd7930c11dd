//! What a bench has measured, as data: tables, charts and the raw figures behind them. The program `bench_report` makes
//! pages of it.

#![expect(clippy::expect_used, reason = "a bench whose figures cannot be written is a failed one")]

mod chart;
mod html;
mod markdown;
mod target;

use std::fmt::Display;
use std::path::PathBuf;
use std::{env, fs};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use chart::{Bar, Chart};
pub use html::page;
pub use markdown::pages;
pub use target::Target;

/// The figures of one program, in sections. The first one says how they were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The name of its file.
    pub name: String,
    /// At least one.
    pub sections: Vec<Section>,
}

/// A part of a report with a heading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// How it was measured.
    pub conditions: String,
    /// The tables.
    pub tables: Vec<Table>,
    /// The charts.
    pub charts: Vec<Chart>,
    /// The measurements that the figures were computed from.
    pub raw: Vec<Value>,
}

/// A table of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

impl Report {
    /// An empty report; `name` is also that of its file.
    pub fn new(name: &str, title: &str, conditions: &str) -> Self {
        let mut report = Self { name: name.to_owned(), sections: Vec::new() };
        report.section(title, conditions);
        report
    }

    /// Begins a part of its own.
    pub fn section(&mut self, title: &str, conditions: &str) {
        self.sections.push(Section {
            title: title.to_owned(),
            conditions: conditions.to_owned(),
            tables: Vec::new(),
            charts: Vec::new(),
            raw: Vec::new(),
        });
    }

    /// Begins a table with these columns.
    pub fn columns(&mut self, names: &[&str]) {
        let columns = names.iter().map(|name| (*name).to_owned()).collect();
        self.last().tables.push(Table { columns, rows: Vec::new() });
    }

    /// Adds a row to the table.
    pub fn row<T: Display>(&mut self, cells: &[T]) {
        let table = self.last().tables.last_mut().expect("a table has begun");
        assert_eq!(cells.len(), table.columns.len(), "a cell for each column");
        table.rows.push(cells.iter().map(ToString::to_string).collect());
    }

    /// Adds a chart.
    pub fn chart(&mut self, chart: Chart) {
        self.last().charts.push(chart);
    }

    /// Adds what the figures were computed from.
    pub fn raw(&mut self, measurements: impl Serialize) {
        self.last().raw.push(serde_json::to_value(measurements).expect("measurements are numbers and names"));
    }

    /// Prints the tables, and writes the report to `bench/parts/<name>.json` in the target directory.
    pub fn publish(&self) {
        println!("{}", markdown::text(self));
        let folder = target_dir().join("bench").join("parts");
        fs::create_dir_all(&folder).expect("the target directory can be written to");
        let text = serde_json::to_string_pretty(self).expect("a report is data");
        fs::write(folder.join(&self.name).with_extension("json"), text).expect("the report can be written");
    }

    fn last(&mut self) -> &mut Section {
        self.sections.last_mut().expect("a report begins with a section")
    }
}

/// The directory that cargo builds in: a program lies in `<target>/<profile>/`, a bench in its `deps/`.
pub fn target_dir() -> PathBuf {
    let program = env::current_exe().expect("a program knows where it lies");
    program.ancestors().nth(2).expect("it lies in a target directory").to_owned()
}
