//! Requests as text, with colours, or as JSON.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::received::{Problem, Received};
use crate::output::shown;
use crate::report::Report;
use crate::{time, verdict};

/// When the output has colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

/// The form of the output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// One JSON object for each request, each on one line.
    Json,
    Text(Paint),
}

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Form {
    pub(crate) fn text(when: When) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::Text(Paint {
            is_on: match when {
                When::Always => true,
                When::Never => false,
                When::Auto => std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb,
            },
        })
    }
}

impl Paint {
    fn green(self, text: &str) -> String {
        self.colour("32", text)
    }

    fn red(self, text: &str) -> String {
        self.colour("31", text)
    }

    fn yellow(self, text: &str) -> String {
        self.colour("33", text)
    }

    fn colour(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// One line: number, time, request, verdict and status.
    pub(super) fn headline(self, number: usize, received: &Received) -> String {
        let arrived_at = time::format(received.arrived_at.as_secs()).unwrap_or_default();
        let verdict = match &received.result {
            Ok(_) => self.green("verified"),
            Err(problem) => self.red(&format!("rejected: {}", problem.code())),
        };
        let (method, path) = (received.method.as_str(), shown(&received.path));
        format!("#{number} {arrived_at} {method} {path}: {verdict}, {}\n", received.status)
    }

    /// The whole request.
    pub(super) fn request(
        self,
        number: usize,
        received: &Received,
        duplicate_of: Option<usize>,
        report: Option<&Report>,
    ) -> String {
        let mut text = self.headline(number, received);
        match &received.result {
            Ok(verified) => {
                let described = verdict::describe(verified, received.arrived_at);
                // Its first line repeats the verdict.
                text.extend(described.lines().skip(1).flat_map(|line| [line, "\n"]));
                let _ = writeln!(text, "  body        {} bytes", received.capture.body.len());
            }
            Err(problem) => {
                let _ = writeln!(text, "  {}", problem.detail());
            }
        }
        match &received.forwarded {
            Some(Ok(status)) => {
                let _ = writeln!(text, "  forwarded   {status}");
            }
            Some(Err(problem)) => {
                let _ = writeln!(text, "  forwarded   {}", self.red(&shown(problem)));
            }
            None => {}
        }
        if let Some(first) = duplicate_of {
            let note = format!("the same message as #{first}: a receiver must handle it once");
            let _ = writeln!(text, "  duplicate   {}", self.yellow(&note));
        }
        for line in report.map(Report::causes).unwrap_or_default().lines() {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}

/// The request as a JSON object.
pub(super) fn object(
    number: usize,
    received: &Received,
    duplicate_of: Option<usize>,
    verification: &Value,
    saved: Option<&Path>,
) -> Value {
    let (forwarded, forward_error) = match &received.forwarded {
        Some(Ok(status)) => (Some(status.as_u16()), None),
        Some(Err(problem)) => (None, Some(problem)),
        None => (None, None),
    };
    json!({
        "number": number,
        "arrived_at": received.arrived_at.as_secs(),
        "method": received.method.as_str(),
        "path": received.path,
        "status": received.status.as_u16(),
        "body_bytes": received.capture.body.len(),
        "verification": verification,
        "duplicate_of": duplicate_of,
        "forwarded": forwarded,
        "forward_error": forward_error,
        "saved": saved,
    })
}

/// A problem in the form of a verdict.
pub(super) fn problem(problem: &Problem) -> Value {
    json!({ "verdict": "rejected", "reason": problem.code(), "detail": problem.detail() })
}
