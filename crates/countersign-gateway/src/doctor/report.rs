//! What was found, as text and as JSON.

use serde_json::{Value, json};

/// What was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Configuration,
    Clock,
    OpenFiles,
    Listener,
    Permissions,
    Store,
    KeySet,
    Upstream,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Ok,
    Warning,
    Failed,
}

/// The result of one check. The message of a problem says what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    check: Check,
    status: Status,
    message: String,
}

/// The results of all checks.
#[derive(Clone, Debug)]
pub struct Report(Vec<Finding>);

impl Check {
    /// Its stable name.
    fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Clock => "clock",
            Self::OpenFiles => "open_files",
            Self::Listener => "listener",
            Self::Permissions => "permissions",
            Self::Store => "store",
            Self::KeySet => "key_set",
            Self::Upstream => "upstream",
        }
    }
}

impl Status {
    /// Its stable name.
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    pub(super) fn ok(check: Check, message: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, message: message.into() }
    }

    pub(super) fn warning(check: Check, message: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, message: message.into() }
    }

    pub(super) fn failed(check: Check, message: impl Into<String>) -> Self {
        Self { check, status: Status::Failed, message: message.into() }
    }

    fn json(&self) -> Value {
        let Self { check, status, message } = self;
        json!({ "check": check.as_str(), "status": status.as_str(), "message": message })
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> Status {
        self.status
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        Self(findings)
    }

    /// How many checks have failed.
    pub fn failures(&self) -> usize {
        self.0.iter().filter(|finding| finding.status == Status::Failed).count()
    }

    /// One line for each check.
    pub fn text(&self) -> String {
        let line = |Finding { check, status, message }: &Finding| {
            // A message may quote what a server sent.
            let shown: String = message.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
            format!("{:<7}  {:<13}  {shown}\n", status.as_str(), check.as_str())
        };
        self.0.iter().map(line).collect()
    }

    /// The same as JSON: `doctor.schema.json` describes it.
    pub fn json(&self) -> Value {
        let worst = self.0.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok);
        json!({ "status": worst.as_str(), "checks": self.0.iter().map(Finding::json).collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_status_is_that_of_the_report() {
        let all = [
            Finding::ok(Check::Clock, "a"),
            Finding::warning(Check::OpenFiles, "b\u{1b}[31m"),
            Finding::failed(Check::KeySet, "c"),
        ];
        let status = |count: usize| Report::new(all[..count].to_vec()).json()["status"].clone();
        assert_eq!([0, 1, 2, 3].map(status), ["ok", "ok", "warning", "failed"]);
        let report = Report::new(all.to_vec());
        assert_eq!(report.failures(), 1);
        let lines = "ok       clock          a\nwarning  open_files     b [31m\nfailed   key_set        c\n";
        assert_eq!(report.text(), lines);
        let failed = json!({ "check": "key_set", "status": "failed", "message": "c" });
        assert_eq!(report.json()["checks"][2], failed);
    }
}
