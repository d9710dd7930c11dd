//! Stores in temporary directories, messages, and child processes that run a part of these tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use countersign::UnixTime;
use countersign::replay::ReplayKey;
use countersign_inbox::{Headers, NewMessage, StoredMessage};
use countersign_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

pub(crate) const RETAIN: Duration = Duration::from_secs(86_400);
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// The variable that names the file for a child process.
const FILE: &str = "COUNTERSIGN_TEST_STORE";

/// A directory with a file that is removed at the end.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    pub(crate) fn open(&self, options: Options) -> SqliteStore {
        SqliteStore::open(self.file(), options).expect("a store")
    }
}

pub(crate) fn key(id: &str) -> ReplayKey {
    ReplayKey::parse("source", id).expect("a key")
}

pub(crate) fn message(id: &str, body: &[u8]) -> NewMessage {
    let message = StoredMessage {
        key: key(id),
        event_type: None,
        path: "/".to_owned(),
        headers: Headers::default(),
        body: body.to_vec().into(),
        received: UnixTime::from_secs(1_700_000_000),
    };
    NewMessage::new(message, "backend", RETAIN)
}

/// The command that runs an ignored test of this program in another process, on this file.
pub(crate) fn child(test: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--ignored", "--exact", "--nocapture", test]).env(FILE, file).stdout(Stdio::piped());
    command
}

/// The file of this child process. `None` if the test is not run by another one.
pub(crate) fn file_of_child() -> Option<PathBuf> {
    std::env::var_os(FILE).map(PathBuf::from)
}
