//! A check of receivers that print a line for each event that they handle.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::process::Command;

use countersign_test::process::Receiver;
use countersign_tests::sender::Sender;
use serde_json::json;
use tempfile::TempDir;

/// Runs a receiver of `/gemini` that responds 204, prints the id and the type of each event, and reads its address
/// (`LISTEN`) and its secret (`GEMINI_WEBHOOK_SECRET`) from the environment. The emulator sends to it.
///
/// # Panics
///
/// If it does not.
pub async fn check(mut command: Command) {
    let folder = TempDir::new().expect("a folder");
    let sender = Sender::start().await;
    command.env("LISTEN", "127.0.0.1:0").env("GEMINI_WEBHOOK_SECRET", sender.secret());
    let receiver = Receiver::start(&mut command, folder.path());
    sender.point_at(&format!("http://{}/gemini", receiver.address())).await;
    let event = json!({ "type": "batch.succeeded" });

    sender.faults(&json!({ "duplicate": 1 })).await;
    let repeated = sender.emit_one(&event).await;
    assert_eq!(sender.answers(&repeated, 1).await, [204]);
    assert_eq!(receiver.line(), format!("{repeated} batch.succeeded"));
    sender.faults(&json!({ "tampered_body": 1 })).await;
    let tampered = sender.emit_one(&event).await;
    assert_eq!(sender.answers(&tampered, 1).await, [401]);
    sender.faults(&json!({ "stale_timestamp": 1 })).await;
    let stale = sender.emit_one(&event).await;
    assert_eq!(sender.answers(&stale, 1).await, [401]);

    sender.advance().await;
    assert_eq!(sender.answers(&repeated, 2).await, [204, 200]);
    assert_eq!(sender.answers(&tampered, 2).await, [401, 204]);
    assert_eq!(sender.answers(&stale, 2).await, [401, 204]);
    // The duplicate is not handled, and the retries are.
    let mut handled = [receiver.line(), receiver.line()];
    handled.sort();
    let mut expected = [tampered, stale].map(|id| format!("{id} batch.succeeded"));
    expected.sort();
    assert_eq!(handled, expected);

    sender.stop().await;
    assert!(receiver.stop().await.success());
}
