//! Bar charts as SVG.

use std::fmt::Write as _;

use html_escape::encode_text;
use serde::{Deserialize, Serialize};

use crate::spread::Spread;

/// The width of a picture, and of its part with the labels, in pixels.
const WIDTH: f64 = 760.0;
const LABELS: f64 = 330.0;
const ROW: f64 = 24.0;
const HEAD: f64 = 44.0;
/// Colours that people with any colour vision can tell apart, and that stand out from light and dark pages.
const COLOURS: [&str; 3] = ["#3b7dd8", "#e08a1e", "#2a9d78"];

/// Horizontal bars, in the order in which they are given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// The unit of the values.
    pub unit: String,
    /// The names of the parts that each bar consists of; one name if it is not divided.
    pub parts: Vec<String>,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// What was measured.
    pub label: String,
    /// The length of each part.
    pub lengths: Vec<f64>,
    /// Where the whole length lay in most rounds.
    pub range: Option<(f64, f64)>,
}

impl Bar {
    /// A bar of one part, with its range.
    pub fn of(label: impl Into<String>, spread: Spread) -> Self {
        Self { label: label.into(), lengths: vec![spread.median], range: Some((spread.low, spread.high)) }
    }

    fn whole(&self) -> f64 {
        self.lengths.iter().sum()
    }
}

impl Chart {
    /// The picture.
    pub(super) fn to_svg(&self) -> String {
        let ends = self.bars.iter().map(|bar| bar.range.map_or(bar.whole(), |(_, high)| high.max(bar.whole())));
        let longest = ends.fold(f64::MIN_POSITIVE, f64::max);
        let scale = |value: f64| value / longest * (WIDTH - LABELS - 80.0);
        let height = self.bars.iter().fold(HEAD + 8.0, |height, _| height + ROW);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
             <title>{title}</title>\n\
             <style>text {{ fill: #222 }} .range {{ stroke: #222 }} \
             @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} .range {{ stroke: #ddd }} }}</style>\n\
             <text x=\"4\" y=\"16\" font-weight=\"600\">{title}, {unit}</text>\n",
            title = encode_text(&self.title),
            unit = encode_text(&self.unit),
        );
        if self.parts.len() > 1 {
            let mut x = 4.0;
            for (part, colour) in self.parts.iter().zip(COLOURS) {
                push(&mut svg, format_args!("<rect x=\"{x}\" y=\"26\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"));
                push(&mut svg, format_args!("<text x=\"{}\" y=\"35\">{}</text>", x + 14.0, encode_text(part)));
                x += 120.0;
            }
        }
        let mut y = HEAD;
        for bar in &self.bars {
            let mut x = LABELS;
            let middle = y + ROW / 2.0;
            push(
                &mut svg,
                format_args!(
                    "<text x=\"4\" y=\"{}\">{}</text>",
                    middle + 4.0,
                    encode_text(&bar.label.replace('`', ""))
                ),
            );
            for (length, colour) in bar.lengths.iter().zip(COLOURS) {
                let width = scale(*length);
                push(
                    &mut svg,
                    format_args!(
                        "<rect x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>",
                        y + 4.0,
                        ROW - 8.0
                    ),
                );
                x += width;
            }
            if let Some((low, high)) = bar.range {
                let (from, to) = (LABELS + scale(low), LABELS + scale(high));
                push(
                    &mut svg,
                    format_args!(
                        "<line class=\"range\" x1=\"{from:.1}\" y1=\"{middle}\" x2=\"{to:.1}\" y2=\"{middle}\"/>"
                    ),
                );
                x = x.max(to);
            }
            let value = figure(bar.whole());
            push(&mut svg, format_args!("<text x=\"{:.1}\" y=\"{}\">{value}</text>", x + 6.0, middle + 4.0));
            y += ROW;
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn push(svg: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes all.
    let _ = writeln!(svg, "{line}");
}

/// A value with as many digits as can be read at a glance.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        medium if medium >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values_and_end_before_the_edge() {
        let spread = |median| Spread { low: median, median, high: median };
        let bars = vec![Bar::of("whole <1>", spread(2000.0)), Bar::of("half", spread(1000.0))];
        let chart = Chart { title: "Rate".into(), unit: "1/s".into(), parts: vec!["rate".into()], bars };
        let svg = chart.to_svg();
        assert!(svg.contains("width=\"350.0\"") && svg.contains("width=\"175.0\""), "{svg}");
        assert!(svg.contains("whole &lt;1&gt;") && svg.contains(">2000<"), "{svg}");
    }
}
