//! The two text formats of `/metrics`, and which of them a scraper accepts.

use std::fmt::Write;

use http::HeaderMap;
use http::header::ACCEPT;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus.
    Prometheus,
}

impl Format {
    /// OpenMetrics if the scraper accepts it at least as much as plain text, and otherwise the format of Prometheus.
    pub fn accepted(headers: &HeaderMap) -> Self {
        let (mut open, mut plain) = (0.0, 0.0);
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let (mut quality, mut version) = (1.0, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim_end() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            if kind.eq_ignore_ascii_case("application/openmetrics-text") && version.is_none_or(|it| it == "1.0.0") {
                open = f64::max(open, quality);
            } else if kind.eq_ignore_ascii_case("text/plain") {
                plain = f64::max(plain, quality);
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Rewrites what is in the format of OpenMetrics.
    pub(super) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Prometheus => prometheus(&open_metrics),
        }
    }
}

/// The comments differ: they name the samples, whose names can be longer than that of the metric, and there are fewer types.
fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // The type, which follows, decides the name.
            help = rest.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            // Writing to a string cannot fail.
            if let Some(help) = help.take() {
                let _ = writeln!(text, "# HELP {name}{ending} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{ending} {kind}");
        } else if !line.starts_with("# ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_scraper_gets_the_format_that_it_prefers() {
        let accepted = |values: &[&'static str]| {
            Format::accepted(&values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect())
        };
        for open in [
            // Prometheus.
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text",
            "text/plain, Application/OpenMetrics-Text; version=\"1.0.0\"",
            "text/plain;q=0.1,application/openmetrics-text; q = 0.1",
        ] {
            assert_eq!(accepted(&[open]), Format::OpenMetrics, "{open}");
        }
        assert_eq!(accepted(&["text/plain;q=0.5", "application/openmetrics-text"]), Format::OpenMetrics);
        for plain in [
            "*/*",
            "",
            "text/plain;version=0.0.4",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;version=0.0.1,text/plain;q=0.1",
            "application/openmetrics-text;q=0.1,text/plain;q=0.2",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=much",
        ] {
            assert_eq!(accepted(&[plain]), Format::Prometheus, "{plain}");
        }
        assert_eq!(accepted(&[]), Format::Prometheus);
    }

    #[test]
    fn comments_name_the_samples() {
        let open = "# HELP a_seconds A.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1.5\n\
                    # HELP b B.\n# TYPE b info\nb_info{version=\"# 1\"} 1\n# TYPE c unknown\nc 1\n\
                    # HELP d D.\n# TYPE d histogram\nd_bucket{le=\"+Inf\"} 1\n# EOF\n";
        let plain = "# HELP a_seconds_total A.\n# TYPE a_seconds_total counter\na_seconds_total 1.5\n\
                     # HELP b_info B.\n# TYPE b_info gauge\nb_info{version=\"# 1\"} 1\n# TYPE c untyped\nc 1\n\
                     # HELP d D.\n# TYPE d histogram\nd_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(prometheus(open), plain);
        assert_eq!(Format::OpenMetrics.of(open.to_owned()), open);
    }
}
