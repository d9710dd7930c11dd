//! Notices that files have changed, by polling. Unlike the notifications of the system, it works on every file system, and
//! where a symbolic link on the way to a file is replaced, as Kubernetes does.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the files are looked at.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// Files, each as it was. `None` is a file that does not exist or cannot be read.
type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// The facts that change with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let about = fs::metadata(file).ok()?;
        let modified = (about.mtime(), about.mtime_nsec());
        Some(Self { device: about.dev(), inode: about.ino(), length: about.len(), modified })
    }
}

/// The files that a reload reads.
#[derive(Debug)]
pub(super) struct WatchedFiles {
    /// As they were when they were last read.
    read: Stamps,
    /// As they were when they were last looked at.
    seen: Stamps,
}

impl WatchedFiles {
    /// Watches these files, which are about to be read.
    pub(super) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let read: Stamps = files.into_iter().map(|file| (file.clone(), Stamp::of(&file))).collect();
        Self { seen: read.clone(), read }
    }

    /// Whether a file has changed since the last time that all were read, and none since the last call. Files that belong
    /// together, such as a certificate and its key, are so read once both are written.
    pub(super) fn have_changed(&mut self) -> bool {
        let now: Stamps = self.read.keys().map(|file| (file.clone(), Stamp::of(file))).collect();
        let is_settled = now == self.seen;
        self.seen = now;
        is_settled && self.seen != self.read
    }

    /// They are about to be read, after which changes count.
    pub(super) fn start_reading(&mut self) {
        *self = Self::new(std::mem::take(&mut self.read).into_keys());
    }

    /// Watches these files from now on. Those that were watched before may have been read already.
    pub(super) fn watch(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let known = |file: &PathBuf| self.read.get(file).copied().unwrap_or_else(|| Stamp::of(file));
        let read: Stamps = files.into_iter().map(|file| (file.clone(), known(&file))).collect();
        *self = Self { seen: read.clone(), read };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed_once_it_is_complete_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        fs::write(&one, "1").unwrap();
        let mut files = WatchedFiles::new([one.clone(), other.clone()]);
        assert!(!files.have_changed());
        fs::write(&one, "12").unwrap();
        assert!(!files.have_changed());
        // It has just appeared.
        fs::write(&other, "1").unwrap();
        assert!(!files.have_changed());
        assert!(files.have_changed());
        files.start_reading();
        assert!(!files.have_changed() && !files.have_changed());
        // A file that is added counts as it is now, and others as they were read.
        fs::write(&one, "123").unwrap();
        files.watch([one.clone()]);
        files.have_changed();
        assert!(files.have_changed());
    }

    #[test]
    fn a_link_on_the_way_to_a_file_may_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("secret"), "same length").unwrap();
        }
        std::os::unix::fs::symlink("v1", path("data")).unwrap();
        let mut files = WatchedFiles::new([path("data").join("secret")]);
        std::os::unix::fs::symlink("v2", path("new")).unwrap();
        fs::rename(path("new"), path("data")).unwrap();
        assert!(!files.have_changed());
        assert!(files.have_changed());
    }
}
