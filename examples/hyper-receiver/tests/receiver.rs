//! Runs the receiver as a process, with the emulator as the sender.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use countersign_test::process::{Receiver, run};
use countersign_tests::sender::Sender;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The binary, without variables from the outer environment.
fn binary(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hyper-receiver"));
    command.env("LISTEN", "127.0.0.1:0").env("EVENTS", file).env_remove("GEMINI_WEBHOOK_SECRET");
    command
}

/// The ids of the events in the file.
fn ids(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("a file");
    let id = |line| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["data"]["id"].as_str().expect("an id").to_owned()
    };
    text.lines().map(id).collect()
}

#[tokio::test]
async fn each_event_is_written_once_despite_faults_and_retries() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("events/today.jsonl");
    let sender = Sender::start().await;
    let receiver = Receiver::start(binary(&file).env("GEMINI_WEBHOOK_SECRET", sender.secret()), folder.path());
    sender.point_at(&format!("http://{}/gemini", receiver.address())).await;
    let event = |id: &str| json!({ "type": "batch.succeeded", "data": { "id": id } });

    // The folder does not exist yet, so the handler fails.
    let failed = sender.emit_one(&event("failed")).await;
    assert_eq!(sender.answers(&failed, 1).await, [500]);
    fs::create_dir(folder.path().join("events")).expect("a folder");

    sender.faults(&json!({ "duplicate": 1 })).await;
    let repeated = sender.emit_one(&event("repeated")).await;
    assert_eq!(sender.answers(&repeated, 1).await, [204]);
    sender.faults(&json!({ "tampered_body": 1 })).await;
    let tampered = sender.emit_one(&event("tampered")).await;
    assert_eq!(sender.answers(&tampered, 1).await, [401]);
    assert_eq!(ids(&file), ["repeated"]);

    sender.advance().await;
    assert_eq!(sender.answers(&failed, 2).await, [500, 204]);
    assert_eq!(sender.answers(&repeated, 2).await, [204, 200]);
    assert_eq!(sender.answers(&tampered, 2).await, [401, 204]);
    let mut written = ids(&file);
    written.sort();
    assert_eq!(written, ["failed", "repeated", "tampered"]);

    sender.stop().await;
    assert!(receiver.stop().await.success());
}

#[tokio::test]
async fn errors_name_the_wrong_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let taken = taken.local_addr().expect("a bound socket").to_string();
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    for (secret, listen, named) in [
        (None, "127.0.0.1:0", "GEMINI_WEBHOOK_SECRET is not set"),
        (Some("short"), "127.0.0.1:0", "GEMINI_WEBHOOK_SECRET is not a valid secret"),
        (Some(secret), &*taken, "choose another with LISTEN"),
    ] {
        let mut command = binary(Path::new("events.jsonl"));
        secret.map(|secret| command.env("GEMINI_WEBHOOK_SECRET", secret));
        let output = run(command.env("LISTEN", listen)).await;
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success() && said.contains(named), "{said}");
    }
}
