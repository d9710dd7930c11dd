//! `store`, on real files: sound, in use, damaged, foreign and newer ones.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use countersign::clock::{Clock as _, SystemClock};
use countersign::replay::ReplayKey;
use countersign_inbox::{Headers, Inbox as _, NewMessage, StoredMessage};
use countersign_sqlite::{Options, SqliteStore};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::schema::problem;
use crate::common::{Ran, run};

pub(crate) struct StoreFile(TempDir);

impl StoreFile {
    /// A file with two messages for one destination.
    pub(crate) fn new() -> Self {
        let file = Self(TempDir::new().expect("a folder"));
        let store = file.open();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        for id in ["msg_1", "msg_2"] {
            let now = SystemClock.read();
            let message = StoredMessage {
                key: ReplayKey::parse("gemini", id).expect("a key"),
                event_type: None,
                path: "/gemini".to_owned(),
                headers: Headers::default(),
                body: Bytes::from_static(b"12345"),
                received: now.wall,
            };
            let message = NewMessage::new(message, "/ge\u{1b}mini", Duration::from_hours(1));
            runtime.block_on(store.enqueue(message, now)).expect("it is stored");
        }
        drop(store);
        file.unused();
        file
    }

    /// Waits until the threads of a dropped store have closed the file.
    pub(crate) fn unused(&self) {
        let mut tries = std::iter::repeat_with(|| self.run("vacuum", &[])).take(100);
        assert!(tries.any(|ran| ran.code == 0), "the file is used");
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path(), Options::default()).expect("a store")
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    pub(crate) fn run(&self, verb: &str, more: &[&str]) -> Ran {
        let path = self.path().display().to_string();
        run(["store", verb, &path].iter().chain(more).copied())
    }

    fn json(&self, verb: &str) -> Value {
        let output = self.run(verb, &["--json"]).json();
        let schema = serde_json::from_str(include_str!("../../output.schema.json")).expect("JSON");
        assert_eq!(problem(&schema, &format!("store_{verb}"), &output), None, "{output}");
        output
    }
}

#[test]
fn a_file_is_counted_and_sound_while_it_is_used_and_vacuumed_afterwards() {
    let file = StoreFile::new();
    let store = file.open();
    let stats = file.json("stats");
    assert_eq!((&stats["messages"], &stats["body_bytes"]), (&json!(2), &json!(10)));
    assert_eq!(stats["ids"], json!([{ "source": "gemini", "done": 2, "in_flight": 0, "expired": 0 }]));
    assert_eq!((&stats["deliveries"][0]["state"], &stats["deliveries"][0]["count"]), (&json!("waiting"), &json!(2)));
    let text = file.run("stats", &[]);
    assert_eq!(
        (text.code, text.stdout.contains("waiting"), text.stdout.contains('\u{1b}')),
        (0, true, false),
        "{text:?}"
    );
    assert_eq!(file.json("check")["problems"], json!([]));
    assert!(file.run("check", &[]).stdout.contains(": sound (schema version "));
    let refused = file.run("vacuum", &[]);
    assert_eq!((refused.code, refused.stderr.contains("stop the gateway first")), (1, true), "{refused:?}");
    drop(store);
    file.unused();
    assert!(file.json("vacuum")["after"].is_u64());
    assert_eq!(file.json("stats")["messages"], 2);
}

#[test]
fn other_files_are_told_apart() {
    let file = StoreFile::new();
    let mut bytes = fs::read(file.path()).expect("a file");
    let expect = |code: i32, what: &str| {
        for verb in ["check", "stats"] {
            let ran = file.run(verb, &[]);
            assert_eq!((ran.code, ran.stderr.contains(what)), (code, true), "{verb}: {ran:?}");
        }
    };
    // `user_version` and `application_id` in the header of the file.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(file.path(), &bytes).expect("a file");
    expect(2, "use a newer countersign");
    bytes[68..72].copy_from_slice(&1_u32.to_be_bytes());
    fs::write(file.path(), &bytes).expect("a file");
    expect(2, "of another program");
    fs::write(file.path(), "this is text and no database at all").expect("a file");
    expect(2, "not an SQLite database");
    fs::remove_file(file.path()).expect("no file");
    expect(2, "cannot be read");
}
