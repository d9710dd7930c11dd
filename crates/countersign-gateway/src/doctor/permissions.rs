//! Who may read and replace the files of secrets, and the configuration.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::report::{Check, Finding};
use crate::config::Config;

/// Looks at the mode of the configuration, and of each file that holds a secret.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let secrets = config.secret_files();
    let mode = |path: &Path| fs::metadata(path).map(|about| about.mode());
    let mut findings: Vec<_> =
        mode(config.file()).ok().and_then(|mode| judge(config.file(), mode, false)).into_iter().collect();
    for path in &secrets {
        match mode(path) {
            Ok(mode) => findings.extend(judge(path, mode, true)),
            Err(error) => findings.push(Finding::failed(
                Check::Permissions,
                format!("{}: cannot be looked at ({error}): correct its path or its permissions", path.display()),
            )),
        }
    }
    if findings.is_empty() {
        let count = secrets.len();
        let message = format!("the configuration and {count} files of secrets are closed to others on this machine");
        findings.push(Finding::ok(Check::Permissions, message));
    }
    findings
}

/// What is wrong with the mode of a file, if anything.
fn judge(path: &Path, mode: u32, is_secret: bool) -> Option<Finding> {
    let path = path.display();
    if mode & 0o002 != 0 {
        let message = format!("{path}: anybody on this machine can replace it: chmod o-w {path}");
        Some(Finding::failed(Check::Permissions, message))
    } else if is_secret && mode & 0o004 != 0 {
        let message = format!("{path}: anybody on this machine can read it: chmod o-r {path}");
        Some(Finding::warning(Check::Permissions, message))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn secrets_are_for_their_owner_and_group() {
        let status = |mode, is_secret| judge(Path::new("a"), mode, is_secret).map(|finding| finding.status());
        assert_eq!([0o400, 0o600, 0o640, 0o660, 0o750].map(|mode| status(mode, true)), [None; 5]);
        assert_eq!([0o604, 0o444].map(|mode| status(mode, true)), [Some(Status::Warning); 2]);
        assert_eq!([0o602, 0o666].map(|mode| status(mode, true)), [Some(Status::Failed); 2]);
        assert_eq!(status(0o644, false), None);
        assert_eq!(status(0o646, false), Some(Status::Failed));
    }
}
