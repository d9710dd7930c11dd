//! What the emulator sends as another sender: the packages of that sender's users verify it, and so does the gateway
//! with the same preset.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

mod gateway;
mod receiver;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_emulator::{Config, Emulator};
use countersign_senders::{SENDERS, Sender};
use countersign_tests::install::Packages;
use http::Uri;
use serde_json::{Value, json};

use receiver::{Received, Receiver};

const PACKAGES: Packages = Packages(env!("CARGO_TARGET_TMPDIR"));

/// What an emulator with this sender sends: the secret as it shows it, and a delivery.
pub(crate) async fn sent_as(sender: &'static Sender, receiver: &Receiver) -> (String, Received) {
    let uri: Uri = format!("{}/{}", receiver.base_url, sender.name).parse().expect("an address");
    let config =
        Config { listen: "127.0.0.1:0".parse().expect("an address"), webhooks: vec![uri], ..Config::of(sender) };
    let emulator = Emulator::start(config, None).await.expect("an emulator");
    let secret = emulator.webhooks().next().expect("a webhook").1.to_owned();
    let event = json!({ "type": sender.example.event_type }).to_string();
    receiver::post(&format!("{}/_emulator/events:emit", emulator.base_url()), event.as_bytes()).await;
    let taken = receiver.next(&format!("/{}", sender.name)).await;
    emulator.stop().await;
    (secret, taken)
}

/// The package that the users of a sender verify with.
fn package_of(sender: &Sender) -> &'static str {
    match sender.name {
        "openai" => "openai",
        "svix" | "clerk" | "resend" => "svix",
        _ => "standardwebhooks",
    }
}

#[tokio::test]
async fn the_packages_of_the_senders_verify_what_is_sent() {
    let receiver = Receiver::start().await;
    let mut questions = Vec::new();
    for sender in &SENDERS {
        let (secret, taken) = sent_as(sender, &receiver).await;
        // As the documentation of Supabase says: the part after `v1,`.
        let secret = secret.strip_prefix("v1,").unwrap_or(&secret);
        let question = |body: &str| {
            json!({
                "package": package_of(sender), "secret": secret, "body": body, "headers": taken.headers,
            })
        };
        questions.push(question(&taken.body));
        questions.push(question(&format!("{} ", taken.body)));
    }
    let answers = ask(&questions);
    assert_eq!(answers.len(), questions.len());
    for ((sender, question), answers) in SENDERS.iter().zip(questions.chunks(2)).zip(answers.chunks(2)) {
        let body: Value = serde_json::from_str(question[0]["body"].as_str().expect("text")).expect("JSON");
        assert_eq!(answers[0]["event"], body, "{}: {answers:?}", sender.name);
        assert!(answers[1]["error"].is_string(), "{}: a changed body passes: {answers:?}", sender.name);
    }
}

#[tokio::test]
async fn the_gateway_accepts_what_is_sent_with_its_preset() {
    let receiver = Receiver::start().await;
    let mut sent = BTreeMap::new();
    for sender in &SENDERS {
        sent.insert(sender.name, sent_as(sender, &receiver).await);
    }
    let gateway = gateway::Gateway::start(&sent, &receiver.base_url).await;
    for (name, (_, received)) in &sent {
        let path = format!("/in/{name}");
        assert_eq!(gateway.deliver(&path, received).await, 200, "{name}");
        let forwarded = receiver.next(&path).await;
        assert_eq!(forwarded.body, received.body, "{name}");
        assert_eq!(forwarded.headers.get("countersign-source").map(String::as_str), Some(*name));
        let changed = Received { body: format!("{} ", received.body), ..received.clone() };
        assert_eq!(gateway.deliver(&path, &changed).await, 401, "{name}: a changed body");
    }
}

fn ask(questions: &[Value]) -> Vec<Value> {
    let (package, lock) = (include_str!("package.json"), include_str!("package-lock.json"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/presets/peer.cjs");
    let mut command = Command::new("node");
    command.arg(script).env("NODE_PATH", PACKAGES.javascript("presets-javascript", package, lock));
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node starts");
    // It answers when it has read all, so neither side waits for the other.
    let questions = serde_json::to_vec(questions).expect("questions are JSON");
    process.stdin.take().expect("a piped stdin").write_all(&questions).expect("it reads");
    let output = process.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?} failed");
    serde_json::from_slice(&output.stdout).expect("its answers are JSON")
}
