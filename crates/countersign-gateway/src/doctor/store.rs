//! Whether the store can be used.

use std::fs;
use std::path::Path;

use bytesize::ByteSize;
use countersign::replay::StoreError;
use countersign_sqlite::inspect;
use rustix::fs::{Access, access, statvfs};

use super::report::{Check, Finding};
use crate::causes::with_causes;
use crate::config::{Config, SqliteSpec, StoreSpec};
use crate::state::store::Engine;

/// With less room, SQLite cannot work.
const LEAST_ROOM: u64 = 64 << 20;

/// Reads the store, or asks its server. Nothing is written.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let document = config.document();
    match &config.store {
        StoreSpec::Memory => {
            let message = "message ids are kept in memory, and a restart forgets them";
            vec![Finding::ok(Check::Store, message)]
        }
        StoreSpec::Sqlite(spec) => sqlite(spec, &spec.path(document.folder())),
        StoreSpec::Redis(_) | StoreSpec::Postgres(_) => match Engine::open(&config.store, document.folder()) {
            Ok(engine) => engine.weaknesses().map(server).unwrap_or_default(),
            Err(problem) => vec![Finding::failed(Check::Store, document.error(problem).to_string())],
        },
    }
}

fn server(checked: Result<Vec<String>, StoreError>) -> Vec<Finding> {
    match checked {
        Ok(weaknesses) if weaknesses.is_empty() => vec![Finding::ok(Check::Store, "the server of the store responds")],
        Ok(weaknesses) => weaknesses.into_iter().map(|one| Finding::warning(Check::Store, one)).collect(),
        Err(error) => {
            let why = with_causes(&error);
            vec![Finding::failed(Check::Store, format!("{why}: start the server of the store, or correct `url`"))]
        }
    }
}

fn sqlite(spec: &SqliteSpec, path: &Path) -> Vec<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let size = fs::metadata(path).map(|about| about.len()).ok();
    let shown = path.display();
    let mut findings = Vec::new();
    let written = [Some(folder), size.map(|_| path)];
    for place in written.into_iter().flatten() {
        if let Err(error) = access(place, Access::WRITE_OK) {
            let place = place.display();
            let cure = "let the user of the gateway write to the directory and to the file";
            findings.push(Finding::failed(Check::Store, format!("{place}: cannot be written to ({error}): {cure}")));
        }
    }
    findings.extend(size.map(|_| structure(path)));
    if size.is_none() {
        findings.push(Finding::ok(Check::Store, format!("{shown}: does not exist, and will be created")));
    }
    if let Ok(disk) = statvfs(folder) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        findings.push(room(free, spec.max_size.saturating_sub(size.unwrap_or(0)), folder));
    }
    findings
}

/// The check of `countersign store check`.
fn structure(path: &Path) -> Finding {
    let shown = path.display();
    match inspect::check(path) {
        Ok(report) if report.problems.is_empty() => {
            Finding::ok(Check::Store, format!("{shown}: sound (schema version {})", report.schema_version))
        }
        Ok(report) => {
            let problems = report.problems.join("; ");
            Finding::failed(
                Check::Store,
                format!("{shown}: damaged ({problems}): restore a copy, or begin with a new file"),
            )
        }
        Err(error) => Finding::failed(Check::Store, format!("{shown}: {error}")),
    }
}

/// Compares the free bytes of the disk with those that the file may still grow by.
fn room(free: u64, growth: u64, folder: &Path) -> Finding {
    let found = format!("{}: {} free", folder.display(), ByteSize(free));
    if free < LEAST_ROOM {
        Finding::failed(Check::Store, format!("{found}: make room, or every message is rejected with 503"))
    } else if free < growth {
        let message = format!(
            "{found}, and `max_size` lets the file of the store grow by {}: make room, or lower `max_size`",
            ByteSize(growth)
        );
        Finding::warning(Check::Store, message)
    } else {
        Finding::ok(Check::Store, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn the_disk_has_room_for_the_file_at_its_maximum() {
        let status = |free, growth| room(free, growth, Path::new("/var")).status();
        assert_eq!(status(16 << 30, 16 << 30), Status::Ok);
        assert_eq!(status(1 << 30, 16 << 30), Status::Warning);
        assert_eq!(status(1 << 20, 0), Status::Failed);
    }
}
