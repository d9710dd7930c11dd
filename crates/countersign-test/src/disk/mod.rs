//! Disks that are slow, full or read-only, or lose power, for child processes that use files of one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A library between a process and its files, compiled by the C compiler of the system.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Compiles the library.
    pub fn compile() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("shim.c");
        fs::write(&source, include_str!("shim.c")).expect("a file");
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .arg(folder.path().join("shim.so"))
            .arg(&source)
            .args(["-ldl", "-lpthread"])
            .stdin(Stdio::null())
            .output()
            .expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    /// Lets each sync of a file in this folder take so long in the process of this command.
    pub fn slow(&self, command: &mut Command, folder: &Path, sync: Duration) {
        self.preload(command, folder).env("DISK_SYNC_MS", sync.as_millis().to_string());
    }

    /// The environment of a process for which files in this folder cannot grow while the file `full` exists.
    pub fn filling(&self, folder: &Path, full: &Path) -> [(&'static str, PathBuf); 3] {
        let [preload, from] = self.environment(folder);
        [preload, from, ("DISK_FULL", full.to_owned())]
    }

    /// The environment of a process for which files in this folder are read-only while the file `locked` exists.
    pub fn locking(&self, folder: &Path, locked: &Path) -> [(&'static str, PathBuf); 3] {
        let [preload, from] = self.environment(folder);
        [preload, from, ("DISK_READ_ONLY", locked.to_owned())]
    }

    /// Copies what the process of this command syncs in this folder to another one. After a kill, it has what a power
    /// cut leaves.
    pub fn losing(&self, command: &mut Command, folder: &Path, durable: &Path) {
        self.preload(command, folder).env("DISK_TO", durable);
    }

    fn preload<'a>(&self, command: &'a mut Command, folder: &Path) -> &'a mut Command {
        command.envs(self.environment(folder))
    }

    fn environment(&self, folder: &Path) -> [(&'static str, PathBuf); 2] {
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| PathBuf::from(folder));
        [("LD_PRELOAD", self.folder.path().join("shim.so")), ("DISK_FROM", folder)]
    }
}
