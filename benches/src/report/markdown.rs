//! Reports as Markdown.

use std::fmt::Write as _;

use super::{Report, Table};

/// The tables of a report, with their headings.
pub(super) fn text(report: &Report) -> String {
    sections(report, |_| None)
}

/// A page with the tables of all reports. Its charts are pictures, whose names and texts are returned too; `folder` is
/// where the page looks for them.
pub fn pages(heading: &str, reports: &[Report], folder: &str) -> (String, Vec<(String, String)>) {
    let (mut page, mut pictures) = (heading.to_owned(), Vec::new());
    for report in reports {
        page.push('\n');
        page.push_str(&sections(report, |svg| {
            let name = format!("{}-{}.svg", report.name, pictures.len() + 1);
            let link = format!("{folder}/{name}");
            pictures.push((name, svg));
            Some(link)
        }));
    }
    (page, pictures)
}

fn sections(report: &Report, mut picture: impl FnMut(String) -> Option<String>) -> String {
    let mut text = String::new();
    for (number, section) in report.sections.iter().enumerate() {
        let level = if number == 0 { "##" } else { "\n###" };
        let _ = write!(text, "{level} {}\n\n{}\n", section.title, section.conditions);
        for table in &section.tables {
            text.push('\n');
            text.push_str(&rows(table));
        }
        for chart in &section.charts {
            if let Some(link) = picture(chart.to_svg()) {
                let _ = write!(text, "\n![{}]({link})\n", chart.title);
            }
        }
    }
    text
}

fn rows(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_owned(); table.columns.len()];
    [&table.columns, &rule].into_iter().chain(&table.rows).map(|cells| line(cells)).collect()
}
