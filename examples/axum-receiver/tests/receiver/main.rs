//! Runs the receiver as a process, with the emulator as the sender.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

mod slack;
mod stage;

use countersign_test::process::run;
use countersign_test::wait::eventually;
use countersign_tests::sender::{AUDIENCE, Dynamic, Sender, request};
use serde_json::json;
use slack::Mood;
use stage::{Stage, binary};
use tempfile::TempDir;
use tokio::net::TcpListener;

#[tokio::test]
async fn each_event_is_handled_once_as_its_metadata_says() {
    let stage = Stage::start(&[]).await;
    // One delivery is sent again although it succeeded. Another is tampered with on its first attempt.
    stage.sender.faults(&json!({ "duplicate": 1 })).await;
    let repeated = stage.emit("batch.succeeded", "one", None).await;
    stage.sender.answers(&repeated, 1).await;
    stage.sender.faults(&json!({ "tampered_body": 1 })).await;
    let tampered = stage.emit("batch.succeeded", "two", Some("import")).await;
    stage.sender.answers(&tampered, 1).await;
    let kept = stage.emit("batch.succeeded", "three", Some("keep")).await;
    let dynamic = stage.emit_dynamic("video.generated", "four", Some("import")).await;
    let misspelt = stage.emit_dynamic("agent.dreamt", "<!here>", Some("imprt")).await;
    for id in [&kept, &dynamic, &misspelt] {
        assert_eq!(stage.sender.answers(id, 1).await, [202]);
    }
    stage.sender.advance().await;
    assert_eq!(stage.sender.answers(&repeated, 2).await, [202, 200]);
    assert_eq!(stage.sender.answers(&tampered, 2).await, [401, 202]);

    let mut expected = [
        format!("gemini {repeated} done"),
        format!("gemini {tampered} done"),
        format!("gemini {kept} done"),
        format!("gemini-dynamic {dynamic} done"),
        format!("gemini-dynamic {misspelt} done"),
    ];
    expected.sort();
    assert_eq!(stage.events(5).await, expected);
    let imports = stage.rows("SELECT message_id || ' ' || subject || ' ' || results FROM imports");
    let mut expected = [format!("{tampered} two gs://b/two"), format!("{dynamic} four gs://b/four")];
    expected.sort();
    assert_eq!(imports, expected);
    let told =
        ["agent.dreamt &lt;!here&gt;, results: gs://b/&lt;!here&gt;", "batch.succeeded one, results: gs://b/one"];
    assert_eq!(stage.slack.told(), told);
    assert_eq!(stage.slack.requests(), 2);

    stage.sender.stop().await;
    assert!(stage.receiver.stop().await.success());
}

#[tokio::test]
async fn a_crash_does_not_repeat_handled_events() {
    let mut stage = Stage::start(&[]).await;
    let announced = stage.emit("batch.succeeded", "one", None).await;
    let imported = stage.emit_dynamic("batch.succeeded", "two", Some("import")).await;
    let before = stage.events(2).await;
    for id in [&announced, &imported] {
        assert_eq!(stage.sender.answers(id, 1).await, [202]);
    }
    stage.crash_and_restart();
    // The restart has emptied the replay store of the layer.
    for id in [&announced, &imported] {
        stage.sender.redeliver(id).await;
        assert_eq!(stage.sender.answers(id, 2).await, [202, 200]);
    }
    assert_eq!(stage.events(2).await, before);
    assert_eq!(stage.rows("SELECT message_id FROM imports"), [imported]);
    assert_eq!((stage.slack.told().len(), stage.slack.requests()), (1, 1));
    stage.sender.stop().await;
}

#[tokio::test]
async fn acknowledged_events_are_handled_after_a_crash() {
    let mut stage = Stage::start(&[]).await;
    stage.slack.is(Mood::Silent);
    let id = stage.emit("batch.failed", "one", None).await;
    assert_eq!(stage.sender.answers(&id, 1).await, [202]);
    eventually("Slack is notified", async || (stage.slack.requests() == 1).then_some(())).await;
    stage.crash_and_restart();
    eventually("Slack is notified again", async || (stage.slack.requests() == 2).then_some(())).await;
    stage.slack.is(Mood::Good);
    assert_eq!(stage.events(1).await, [format!("gemini {id} done")]);
    stage.sender.stop().await;
    assert!(stage.slack.told().contains(&"batch.failed one, results: gs://b/one".to_owned()));
}

#[tokio::test]
async fn senders_get_503_while_the_inbox_is_full() {
    let stage = Stage::start(&["--max-messages", "1"]).await;
    let first = stage.emit("batch.succeeded", "one", None).await;
    assert_eq!(stage.sender.answers(&first, 1).await, [202]);
    let second = stage.emit("batch.succeeded", "two", None).await;
    assert_eq!(stage.sender.answers(&second, 1).await, [503]);
    assert_eq!(stage.events(1).await, [format!("gemini {first} done")]);
}

#[tokio::test]
async fn a_failed_notification_is_retried() {
    let stage = Stage::start(&[]).await;
    stage.slack.is(Mood::Broken);
    let id = stage.emit("batch.succeeded", "one", None).await;
    assert_eq!(stage.sender.answers(&id, 1).await, [202]);
    eventually("a notification fails", async || (stage.slack.requests() > 0).then_some(())).await;
    stage.slack.is(Mood::Good);
    assert_eq!(stage.events(1).await, [format!("gemini {id} done")]);
    assert_eq!(stage.slack.told(), ["batch.succeeded one, results: gs://b/one"]);
    stage.sender.stop().await;
}

#[tokio::test]
async fn tokens_are_accepted_only_with_an_audience() {
    let sender = Sender::signing(Dynamic::Rs256).await;
    let stage = Stage::with(sender, &["--audience", AUDIENCE]).await;
    let id = stage.emit_dynamic("batch.succeeded", "one", Some("import")).await;
    assert_eq!(stage.sender.answers(&id, 1).await, [202]);
    assert_eq!(stage.events(1).await.len(), 1);
    assert_eq!(stage.rows("SELECT source || ' ' || subject FROM imports"), ["gemini-dynamic one"]);
    stage.sender.stop().await;

    let stage = Stage::with(Sender::signing(Dynamic::Rs256).await, &[]).await;
    let id = stage.emit_dynamic("batch.succeeded", "one", Some("import")).await;
    assert_eq!(stage.sender.answers(&id, 1).await, [401]);
    assert_eq!(stage.inbox(), [""; 0]);
}

#[tokio::test]
async fn unsigned_requests_have_no_effect() {
    let stage = Stage::start(&[]).await;
    for path in ["/gemini", "/gemini/dynamic"] {
        let (status, answer) = request("POST", &stage.url(path), "", r#"{"type":"batch.succeeded"}"#).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.contains("missing_header"), "{answer}");
    }
    assert_eq!(stage.inbox(), [""; 0]);
}

#[tokio::test]
async fn errors_name_the_wrong_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let taken = taken.local_addr().expect("a bound socket").to_string();
    let folder = TempDir::new().expect("a folder");
    let (database, inbox) = (folder.path().join("imports.db"), folder.path().join("inbox.db"));
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let no_folder = folder.path().join("no/file.db");
    let no_folder = no_folder.to_str().expect("a path");
    for (secret, arguments, named) in [
        (None, &[][..], "GEMINI_WEBHOOK_SECRET is not set"),
        (Some("v1,whsec_"), &[], "GEMINI_WEBHOOK_SECRET is not a valid secret"),
        (Some(secret), &["--listen", &*taken], "choose another with --listen"),
        (Some(secret), &["--database", no_folder], "cannot use the database"),
        (Some(secret), &["--inbox", no_folder], "cannot use the inbox"),
        (Some(secret), &["--jwks", "http://example.com/"], "fetched over https"),
    ] {
        let mut command = binary();
        command.env("LISTEN", "127.0.0.1:0").env("DATABASE", &database).env("INBOX", &inbox).args(arguments);
        secret.map(|secret| command.env("GEMINI_WEBHOOK_SECRET", secret));
        let output = run(&mut command).await;
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success() && said.contains(named), "{said}");
    }
}
