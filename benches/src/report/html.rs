//! Reports as one HTML page, which needs no other file.

use html_escape::encode_text;

use super::{Report, Section, Table};

const STYLE: &str = include_str!("page.css");

/// A page with all tables and charts, under a heading and these lines about the machine and the run.
pub fn page(title: &str, lines: &[String], reports: &[Report]) -> String {
    let lines: String = lines.iter().map(|line| format!("<li>{}</li>\n", text(line))).collect::<Vec<_>>().concat();
    let contents: String = reports.iter().map(entry).collect();
    let body: String = reports.iter().map(whole).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n\
         <main>\n<h1>{title}</h1>\n<ul>\n{lines}</ul>\n<nav>\n{contents}</nav>\n{body}</main>\n</html>\n",
        title = encode_text(title),
    )
}

fn entry(report: &Report) -> String {
    let title = report.sections.first().map_or("", |section| &section.title);
    format!("<a href=\"#{}\">{}</a>\n", report.name, encode_text(title))
}

fn whole(report: &Report) -> String {
    let sections: String = report.sections.iter().enumerate().map(|(number, part)| section(number, part)).collect();
    format!("<section id=\"{}\">\n{sections}</section>\n", report.name)
}

fn section(number: usize, section: &Section) -> String {
    let level = if number == 0 { "h2" } else { "h3" };
    let (charts, tables): (String, String) = (
        section
            .charts
            .iter()
            .map(|chart| format!("<figure>\n{}</figure>\n", chart.to_svg()))
            .collect::<Vec<_>>()
            .concat(),
        section.tables.iter().map(table).collect(),
    );
    let (title, conditions) = (text(&section.title), text(&section.conditions));
    format!("<{level}>{title}</{level}>\n<p>{conditions}</p>\n{charts}{tables}")
}

fn table(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| -> String {
        let cells: String =
            cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", text(cell))).collect::<Vec<_>>().concat();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = table.rows.iter().map(|cells| row(cells, "td")).collect();
    format!(
        "<div class=\"wide\"><table>\n<thead>\n{}</thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n",
        row(&table.columns, "th")
    )
}

/// Text in which backticks enclose code.
fn text(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let part = |(number, part): (usize, &str)| match number % 2 {
        0 => encode_text(part).into_owned(),
        _ => format!("<code>{}</code>", encode_text(part)),
    };
    parts.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_all_that_was_reported_and_escapes_it() {
        let mut report = Report::new("layer", "Layer <1>", "With `VerifyLayer`.");
        report.columns(&["server", "1/s"]);
        report.row(&["a & b", "7"]);
        let page = page("Benchmarks", &["2 cores".into()], &[report]);
        for part in ["<h2>Layer &lt;1&gt;</h2>", "<code>VerifyLayer</code>", "<td>a &amp; b</td>", "<li>2 cores</li>"] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }
}
