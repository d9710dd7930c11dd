//! Runs the receiver as a process. The emulator posts to it over HTTP, and the client calls it over gRPC.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::process::Command;

use countersign_test::process::{Receiver, run};
use countersign_tests::sender::Sender;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A binary, without variables from the outer environment.
fn binary(path: &str) -> Command {
    let mut command = Command::new(path);
    command.env("LISTEN", "127.0.0.1:0").env_remove("GEMINI_WEBHOOK_SECRET");
    command
}

fn receiver() -> Command {
    binary(env!("CARGO_BIN_EXE_tonic-receiver"))
}

/// Runs the client once. Returns whether it succeeded, and its output.
async fn call(receiver: &Receiver, secret: &str, id: &str, job: &str) -> (bool, String) {
    let url = format!("http://{}", receiver.address());
    let mut command = binary(env!("CARGO_BIN_EXE_client"));
    let output = run(command.env("GEMINI_WEBHOOK_SECRET", secret).args([&url, id, job])).await;
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).expect("text").trim_end().to_owned())
}

#[tokio::test]
async fn one_port_receives_webhooks_and_calls_once_each() {
    let folder = TempDir::new().expect("a folder");
    let sender = Sender::start().await;
    let receiver = Receiver::start(receiver().env("GEMINI_WEBHOOK_SECRET", sender.secret()), folder.path());
    sender.point_at(&format!("http://{}/gemini", receiver.address())).await;
    let event = json!({ "type": "batch.succeeded" });

    sender.faults(&json!({ "duplicate": 1 })).await;
    let repeated = sender.emit_one(&event).await;
    assert_eq!(sender.answers(&repeated, 1).await, [200]);
    assert_eq!(receiver.line(), format!("http {repeated} batch.succeeded"));

    let said = |success, text: &str| (success, text.to_owned());
    assert_eq!(call(&receiver, sender.secret(), "msg_1", "nightly").await, said(true, "received as msg_1"));
    assert_eq!(receiver.line(), "grpc msg_1 nightly");
    assert_eq!(call(&receiver, sender.secret(), "msg_1", "nightly").await, said(true, "already received"));
    // The handler rejects both calls: a failed call may be retried.
    for _ in 0..2 {
        let refused = said(false, "client: FailedPrecondition: the job has no name");
        assert_eq!(call(&receiver, sender.secret(), "msg_2", "").await, refused);
    }
    let (success, why) = call(&receiver, OTHER_SECRET, "msg_3", "forged").await;
    assert!(!success && why.contains("Unauthenticated") && why.ends_with("(signature_mismatch)"), "{why}");

    sender.faults(&json!({ "tampered_body": 1 })).await;
    let tampered = sender.emit_one(&event).await;
    assert_eq!(sender.answers(&tampered, 1).await, [401]);
    sender.advance().await;
    assert_eq!(sender.answers(&repeated, 2).await, [200, 200]);
    assert_eq!(sender.answers(&tampered, 2).await, [401, 200]);
    // The lines are consecutive, so no other delivery was handled.
    assert_eq!(receiver.line(), format!("http {tampered} batch.succeeded"));
    assert_eq!(call(&receiver, sender.secret(), "msg_4", "the last").await, said(true, "received as msg_4"));
    assert_eq!(receiver.line(), "grpc msg_4 the last");

    sender.stop().await;
    assert!(receiver.stop().await.success());
}

#[tokio::test]
async fn errors_name_the_wrong_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let taken = taken.local_addr().expect("a bound socket").to_string();
    for (secret, listen, named) in [
        (None, "127.0.0.1:0", "GEMINI_WEBHOOK_SECRET is not set"),
        (Some("short"), "127.0.0.1:0", "GEMINI_WEBHOOK_SECRET is not a valid secret"),
        (Some(OTHER_SECRET), &*taken, "choose another with LISTEN"),
    ] {
        let mut command = receiver();
        secret.map(|secret| command.env("GEMINI_WEBHOOK_SECRET", secret));
        let output = run(command.env("LISTEN", listen)).await;
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success() && said.contains(named), "{said}");
    }
}
