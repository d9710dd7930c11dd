//! The figures that the README quotes.

use countersign_benches::report::{Report, Table};

/// One figure of a table: the report, a section, the cells that its row has, and the column.
struct Figure {
    report: &'static str,
    section: &'static str,
    row: &'static [&'static str],
    column: &'static str,
}

/// A measurement, its figures, and what follows them.
type Line = (&'static str, &'static [Figure], &'static str);

const fn figure(
    report: &'static str,
    section: &'static str,
    row: &'static [&'static str],
    column: &'static str,
) -> Figure {
    Figure { report, section, row, column }
}

/// A figure of plain deliveries through a gateway.
const fn plain(row: &'static [&'static str]) -> Figure {
    figure(
        "gateway",
        "Plain deliveries",
        row,
        "requests/s, as a ratio to pingora-proxy with default settings, passing through",
    )
}

const COUNTERSIGN: &str = "countersign-gateway, verifying";
const LUA: &str = "nginx with Lua, verifying";
const TO_PINGORA: &str = "× the requests per second of pingora-proxy without verification";
const TO_LUA: &str = "× the requests per second of nginx with Lua";
const TO_AXUM: &str = "× the requests per second of the same service without it";
const AXUM: &str = "requests/s, as a ratio to axum, nobody verifies";

const LINES: [Line; 14] = [
    (
        "a complete `v1` verification, 200-byte body",
        &[figure(
            "verification",
            "Verification: one delivery, one core",
            &["200 B", "bare HMAC to countersign"],
            "measured",
        )],
        "× the time of the bare HMAC",
    ),
    (
        "`standardwebhooks` crate, 200-byte body",
        &[figure(
            "verification",
            "Verification: one delivery, one core",
            &["200 B", "countersign to the crate standardwebhooks"],
            "measured",
        )],
        "× the time of a complete verification with countersign",
    ),
    (
        "gateway, verifying, concurrency 32 and 128",
        &[plain(&[COUNTERSIGN, "32"]), plain(&[COUNTERSIGN, "128"])],
        TO_PINGORA,
    ),
    ("nginx with Lua, verifying, in the same run", &[plain(&[LUA, "32"]), plain(&[LUA, "128"])], TO_PINGORA),
    (
        "HAProxy, verifying, in the same run",
        &[plain(&["HAProxy, verifying", "32"]), plain(&["HAProxy, verifying", "128"])],
        TO_PINGORA,
    ),
    (
        "nginx, without verification, in the same run",
        &[plain(&["nginx, passing through", "32"]), plain(&["nginx, passing through", "128"])],
        TO_PINGORA,
    ),
    (
        "gateway, a new connection for each request, concurrency 32",
        &[figure("gateway", "A new connection for each request", &[COUNTERSIGN, LUA, "32"], "ratio")],
        TO_LUA,
    ),
    (
        "gateway, bodies of 20 KiB, concurrency 32",
        &[figure("gateway", "20 KiB bodies", &[COUNTERSIGN, LUA, "32"], "ratio")],
        TO_LUA,
    ),
    (
        "gateway, TLS on kept connections, concurrency 32",
        &[figure("gateway", "TLS", &[COUNTERSIGN, "32"], "requests/s, as a ratio to nginx with Lua, verifying")],
        TO_LUA,
    ),
    (
        "gateway, a flood of forged deliveries, concurrency 32",
        &[figure("gateway", "A flood of forged deliveries", &[COUNTERSIGN, "its own plain deliveries", "32"], "ratio")],
        "× the rate of forwarded deliveries, rejected",
    ),
    (
        "gateway with a durable inbox, concurrency 32 and 128",
        &[
            figure(
                "gateway",
                "Durable inbox",
                &["countersign-gateway with an inbox in memory, verifying", COUNTERSIGN, "32"],
                "ratio",
            ),
            figure(
                "gateway",
                "Durable inbox",
                &["countersign-gateway with an inbox in memory, verifying", COUNTERSIGN, "128"],
                "ratio",
            ),
        ],
        "× the requests per second of its direct route",
    ),
    ("memory of the gateway at its start", &[figure("gateway", "Memory", &[COUNTERSIGN], "MiB at start")], "MiB"),
    (
        "axum service with the layer, concurrency 32 and 128",
        &[
            figure("layer", "Plain deliveries", &["axum, `VerifyLayer` around it", "32"], AXUM),
            figure("layer", "Plain deliveries", &["axum, `VerifyLayer` around it", "128"], AXUM),
        ],
        TO_AXUM,
    ),
    (
        "axum service with the `standardwebhooks` crate in its handler (no claims, no size limit)",
        &[
            figure("layer", "Plain deliveries", &["axum, `standardwebhooks` in the handler", "32"], AXUM),
            figure("layer", "Plain deliveries", &["axum, `standardwebhooks` in the handler", "128"], AXUM),
        ],
        TO_AXUM,
    ),
];

/// The report with the lines whose figures were all measured.
pub(crate) fn report(reports: &[Report]) -> Report {
    let mut report =
        Report::new("summary", "Summary", "The README quotes these figures: medians, with their range below.");
    report.columns(&["measurement", "result"]);
    for (measurement, figures, unit) in LINES {
        let found: Option<Vec<&str>> = figures.iter().map(|figure| figure.find(reports)).collect();
        match found {
            Some(found) => report.row(&[measurement.to_owned(), format!("{} {unit}", found.join(" and "))]),
            None => eprintln!("not in the summary, because it was not measured: {measurement}"),
        }
    }
    report
}

impl Figure {
    /// The median, without its range.
    fn find<'r>(&self, reports: &'r [Report]) -> Option<&'r str> {
        let report = reports.iter().find(|report| report.name == self.report)?;
        let section = report.sections.iter().find(|section| section.title == self.section)?;
        let cell = section.tables.iter().find_map(|table| self.cell(table))?;
        cell.split(' ').next()
    }

    fn cell<'t>(&self, table: &'t Table) -> Option<&'t String> {
        let column = table.columns.iter().position(|column| column == self.column)?;
        let row = table.rows.iter().find(|row| row.iter().zip(self.row).all(|(cell, wanted)| cell == wanted))?;
        row.get(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_whose_figures_were_measured_is_quoted_without_their_range() {
        let mut layer = Report::new("layer", "Layer", "");
        layer.section("Plain deliveries", "");
        layer.columns(&["server", "concurrency", AXUM]);
        layer.row(&["axum, `VerifyLayer` around it", "32", "0.80 (0.78 to 0.86)"]);
        layer.row(&["axum, `VerifyLayer` around it", "128", "0.77 (0.69 to 0.93)"]);
        let quoted = report(&[layer]).sections[0].tables[0].rows.clone();
        let result = "0.80 and 0.77 × the requests per second of the same service without it";
        assert_eq!(quoted, [["axum service with the layer, concurrency 32 and 128", result]]);
    }
}
